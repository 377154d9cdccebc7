// ResNet8 of MLPerf Tiny (Banbury 2021) for 32x32 images with raw pixels: Keras names, TF "SAME"
// padding, biases in front of batch norms with ε = 1e-3, shortcut convolutions without batch norm.
#include <fmt/format.h>

#include "models/conv_block.h"
#include "models/model.h"

namespace bitsweep::models {
namespace {

using graph::Graph;
using graph::NodeId;

class Builder {
 public:
  explicit Builder(const config::ModelConfig& config)
      : g_(config.name), input_(input_shape(config)) {}

  Graph build(std::int64_t num_classes) {
    NodeId x = g_.add_input("input", input_);
    x = relu(norm(conv(x, 16, 3, 1)));
    x = block(x, 16, 1);
    x = block(x, 32, 2);
    x = block(x, 64, 2);
    x = g_.add("average_pooling2d", graph::GlobalAveragePool{}, {x});
    g_.add("dense",
           graph::Linear{.in_features = g_.node(x).output.channels, .out_features = num_classes},
           {x});
    return std::move(g_);
  }

 private:
  NodeId block(NodeId x, std::int64_t channels, int stride) {
    NodeId y = relu(norm(conv(x, channels, 3, stride)));
    y = norm(conv(y, channels, 3, 1));
    const NodeId identity = stride == 1 ? x : conv(x, channels, 1, stride);
    return relu(g_.add(numbered("add", adds_++), graph::Add{}, {identity, y}));
  }

  // Keras numbers layers of a kind in the order of their making: "conv2d", "conv2d_1", …
  static std::string numbered(std::string kind, int number) {
    return number == 0 ? kind : fmt::format("{}_{}", kind, number);
  }

  NodeId conv(NodeId x, std::int64_t out_channels, int kernel, int stride) {
    graph::Convolution c{.in_channels = g_.node(x).output.channels,
                         .out_channels = out_channels,
                         .kernel = {kernel, kernel},
                         .stride = {stride, stride},
                         .bias = true};
    c.padding = same_padding(g_.node(x).output, c.kernel, c.stride);
    return g_.add(numbered("conv2d", convolutions_++), c, {x});
  }

  NodeId norm(NodeId x) {
    return g_.add(
        numbered("batch_normalization", norms_++),
        graph::BatchNorm{.features = g_.node(x).output.channels, .eps = 1e-3, .momentum = 0.01},
        {x});
  }

  NodeId relu(NodeId x) {
    return g_.add(numbered("activation", activations_++), graph::Activation{}, {x});
  }

  Graph g_;
  const graph::Shape input_;
  int convolutions_ = 0;
  int norms_ = 0;
  int activations_ = 0;
  int adds_ = 0;
};

Graph build(const config::ModelConfig& config, std::int64_t num_classes) {
  return Builder(config).build(num_classes);
}

// Keras's he_normal, without its truncation at two deviations.
Initialization initial(const config::ModelConfig&) {
  const LayerInitialization he{.weight = WeightRule::kaiming_normal_fan_in, .bias = BiasRule::zero};
  return {.convolution = he, .linear = he};
}

}  // namespace

void register_resnet8(Registry<Model>& registry) {
  registry.add({.name = "resnet8",
                .summary = "Residual network of MLPerf Tiny for 32x32 images with raw pixels",
                .source = "Banbury 2021 (arXiv 2106.07597)",
                .input = {3, 32, 32},
                .options = {},
                .build = build,
                .initialization = initial});
}

}  // namespace bitsweep::models
