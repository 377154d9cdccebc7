#include "models/conv_block.h"

#include <algorithm>
#include <cmath>

namespace bitsweep::models {
namespace {

// Padding of one dimension: before, after.
std::array<int, 2> same_along(std::int64_t input, int kernel, int stride) {
  const std::int64_t outputs = (input + stride - 1) / stride;
  const auto total =
      static_cast<int>(std::max<std::int64_t>((outputs - 1) * stride + kernel - input, 0));
  return {total / 2, total - total / 2};
}

}  // namespace

graph::Padding same_padding(const graph::Shape& input, std::array<int, 2> kernel,
                            std::array<int, 2> stride) {
  const auto [top, bottom] = same_along(input.height, kernel[0], stride[0]);
  const auto [left, right] = same_along(input.width, kernel[1], stride[1]);
  return {top, left, bottom, right};
}

graph::NodeId add_conv_norm(graph::Graph& g, const ConvStyle& style, std::string conv,
                            std::string norm, graph::NodeId x, const ConvShape& shape) {
  const graph::Shape& input = g.node(x).output;
  graph::Convolution c{.in_channels = input.channels,
                       .out_channels = shape.out_channels,
                       .kernel = {shape.kernel, shape.kernel},
                       .stride = {shape.stride, shape.stride},
                       .groups = shape.groups,
                       .bias = !style.batch_norm};
  c.padding = style.same_padding ? same_padding(input, c.kernel, c.stride)
                                 : graph::Padding::all((shape.kernel - 1) / 2);
  const graph::NodeId y = g.add(std::move(conv), c, {x});
  if (!style.batch_norm) return y;
  return g.add(std::move(norm),
               graph::BatchNorm{
                   .features = shape.out_channels, .eps = style.eps, .momentum = style.momentum},
               {y});
}

ConvStyle conv_style(const config::ModelConfig& config, ConvStyle own) {
  if (!config.padding.empty()) own.same_padding = config.padding == "same";
  if (!config.batch_norm) own.batch_norm = false;
  return own;
}

std::vector<ModelOption> conv_style_options(const ConvStyle& own) {
  std::vector<std::string> paddings{"symmetric", "same"};
  if (own.same_padding) std::ranges::reverse(paddings);
  return {{"padding", std::move(paddings),
           "symmetric: (kernel - 1) / 2 on every side; same: TensorFlow's, of a stride of 2 one "
           "more below and right than above and left"},
          {"batch_norm",
           {"true", "false"},
           "false: for weights with batch norms folded in; convolutions have biases instead"}};
}

std::int64_t round_channels(double channels) {
  const auto nearest = static_cast<std::int64_t>(std::floor((channels + 4) / 8)) * 8;
  const std::int64_t out = std::max<std::int64_t>(nearest, 8);
  return static_cast<double>(out) < 0.9 * channels ? out + 8 : out;
}

}  // namespace bitsweep::models
