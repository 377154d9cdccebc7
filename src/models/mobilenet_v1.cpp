// MobileNetV1 (Howard 2017) as Keras has it: TF "SAME" padding, ReLU6, batch norms with ε = 1e-3,
// and a 1x1 convolution with bias as classifier. Tensor names of Keras ("conv_dw_1",
// "conv_pw_1_bn").
#include <fmt/format.h>

#include <array>

#include "models/conv_block.h"
#include "models/model.h"

namespace bitsweep::models {
namespace {

using graph::ActivationKind;
using graph::Graph;
using graph::NodeId;

constexpr ConvStyle kStyle{.same_padding = true, .eps = 1e-3, .momentum = 0.01};

// A depthwise 3x3 convolution of this stride, then a pointwise one.
struct Block {
  std::int64_t channels;  // at width 1
  int stride;
};
constexpr std::array<Block, 13> kBlocks{{{64, 1},
                                         {128, 2},
                                         {128, 1},
                                         {256, 2},
                                         {256, 1},
                                         {512, 2},
                                         {512, 1},
                                         {512, 1},
                                         {512, 1},
                                         {512, 1},
                                         {512, 1},
                                         {1024, 2},
                                         {1024, 1}}};

Graph build(const config::ModelConfig& config, std::int64_t num_classes) {
  Graph g(config.name);
  const ConvStyle style = conv_style(config, kStyle);
  const auto wide = [&](std::int64_t channels) {
    return static_cast<std::int64_t>(static_cast<double>(channels) * config.width);
  };
  const auto conv = [&](const std::string& name, NodeId x, const ConvShape& shape) {
    const NodeId y = add_conv_norm(g, style, name, name + "_bn", x, shape);
    return g.add(name + "_relu", graph::Activation{ActivationKind::relu6}, {y});
  };
  NodeId x = g.add_input("input", input_shape(config));
  x = conv("conv1", x, {.out_channels = wide(32), .kernel = 3, .stride = 2});
  int i = 1;
  for (const Block& block : kBlocks) {
    const std::int64_t channels = g.node(x).output.channels;
    x = conv(fmt::format("conv_dw_{}", i), x,
             {.out_channels = channels, .kernel = 3, .stride = block.stride, .groups = channels});
    x = conv(fmt::format("conv_pw_{}", i), x, {.out_channels = wide(block.channels)});
    ++i;
  }
  x = g.add("global_average_pooling2d", graph::GlobalAveragePool{}, {x});
  x = g.add("dropout", graph::Dropout{0.001}, {x});
  g.add("conv_preds",
        graph::Convolution{
            .in_channels = g.node(x).output.channels, .out_channels = num_classes, .bias = true},
        {x});
  return g;
}

// Keras: Glorot's rule for every weight.
Initialization initial(const config::ModelConfig&) {
  const LayerInitialization glorot{.weight = WeightRule::glorot_uniform, .bias = BiasRule::zero};
  return {.convolution = glorot, .linear = glorot};
}

}  // namespace

void register_mobilenet_v1(Registry<Model>& registry) {
  std::vector<ModelOption> options = conv_style_options(kStyle);
  options.push_back({"width", {"1", "0.75", "0.5", "0.25"}, "multiplies the numbers of channels"});
  registry.add({.name = "mobilenet_v1",
                .summary = "MobileNetV1 as Keras has it, for 224x224 images",
                .source = "Howard 2017 (arXiv 1704.04861); keras.applications",
                .input = {3, 224, 224},
                .resizable = true,
                .options = std::move(options),
                .build = build,
                .initialization = initial});
}

}  // namespace bitsweep::models
