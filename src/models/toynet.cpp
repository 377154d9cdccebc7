// ToyNet of document 002 (facts A.1): a ConvNeXt-like network for 32x32 images with depthwise 3x3
// convolutions, pointwise expansions by 4 and one ReLU a block. Tensor names as in its source.
#include <fmt/format.h>

#include <array>

#include "models/model.h"

namespace bitsweep::models {
namespace {

using graph::Graph;
using graph::NodeId;

struct Stage {
  int blocks;
  std::int64_t channels;
  int stride;  // of its first block
};
constexpr std::array<Stage, 4> kStages{{{1, 16, 1}, {3, 32, 2}, {3, 32, 1}, {3, 64, 2}}};
constexpr std::int64_t kStemChannels = 16;
constexpr std::int64_t kHeaderChannels = 512;
constexpr std::int64_t kExpansion = 4;

NodeId norm(Graph& g, std::string name, std::int64_t channels, NodeId x) {
  return g.add(std::move(name), graph::BatchNorm{.features = channels}, {x});
}

NodeId pointwise(Graph& g, std::string name, std::int64_t in, std::int64_t out, NodeId x) {
  return g.add(std::move(name), graph::Convolution{.in_channels = in, .out_channels = out}, {x});
}

NodeId block(Graph& g, const std::string& name, std::int64_t in, std::int64_t out, int stride,
             NodeId x) {
  if (stride != 1 || in != out) {
    x = norm(g, name + ".norm", in, x);
    x = g.add(name + ".downsample",
              graph::Convolution{.in_channels = in,
                                 .out_channels = out,
                                 .kernel = {stride, stride},
                                 .stride = {stride, stride}},
              {x});
  }
  NodeId y = g.add(name + ".conv1",
                   graph::Convolution{.in_channels = out,
                                      .out_channels = out,
                                      .kernel = {3, 3},
                                      .padding = graph::Padding::all(1),
                                      .groups = out},
                   {x});
  y = norm(g, name + ".bn1", out, y);
  y = pointwise(g, name + ".conv2", out, kExpansion * out, y);
  y = g.add(name + ".relu", graph::Activation{}, {y});
  y = pointwise(g, name + ".conv3", kExpansion * out, out, y);
  return g.add(name + ".add", graph::Add{}, {y, x});
}

Graph build(const config::ModelConfig& config, std::int64_t num_classes) {
  Graph g(config.name);
  NodeId x = g.add_input("input", {3, 32, 32});
  x = g.add("stem.conv",
            graph::Convolution{.in_channels = 3,
                               .out_channels = kStemChannels,
                               .kernel = {3, 3},
                               .padding = graph::Padding::all(1)},
            {x});
  x = norm(g, "stem.bn", kStemChannels, x);
  std::int64_t channels = kStemChannels;
  int cell = 0;
  for (const Stage& stage : kStages) {
    for (int unit = 0; unit < stage.blocks; ++unit) {
      x = block(g, fmt::format("cells.{}", cell++), channels, stage.channels,
                unit == 0 ? stage.stride : 1, x);
      channels = stage.channels;
    }
  }
  x = pointwise(g, "header.conv", channels, kHeaderChannels, x);
  x = norm(g, "header.bn", kHeaderChannels, x);
  x = g.add("avgpool", graph::GlobalAveragePool{graph::GlobalPoolStyle::adaptive_module}, {x});
  g.add("fc", graph::Linear{.in_features = kHeaderChannels, .out_features = num_classes}, {x});
  return g;
}

// Facts A.1, "Init".
Initialization initial(const config::ModelConfig&) {
  return {.convolution = {.weight = WeightRule::kaiming_normal_fan_out, .bias = BiasRule::zero},
          .linear = {.weight = WeightRule::normal, .deviation = 0.001, .bias = BiasRule::zero}};
}

}  // namespace

void register_toynet(Registry<Model>& registry) {
  registry.add({.name = "toynet",
                .summary = "ConvNeXt-like network of 203,626 parameters for 32x32 images",
                .source = "document 002 (facts A.1)",
                .input = {3, 32, 32},
                .options = {},
                .build = build,
                .initialization = initial});
}

}  // namespace bitsweep::models
