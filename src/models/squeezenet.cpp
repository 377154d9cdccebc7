// SqueezeNet 1.1 (Iandola 2016) with torchvision's names: fire modules, ceil-mode pools, a
// convolution and an average as classifier. The Caffe original is the same network; it reads
// 227x227 images (data.image_size).
#include <fmt/format.h>

#include "models/model.h"

namespace bitsweep::models {
namespace {

using graph::Graph;
using graph::NodeId;

class Builder {
 public:
  explicit Builder(const config::ModelConfig& config) : g_(config.name) {
    x_ = g_.add_input("input", input_shape(config));
  }

  Graph build(std::int64_t num_classes) {
    features(0, {.in_channels = 3, .out_channels = 64, .kernel = {3, 3}, .stride = {2, 2}});
    max_pool(2);
    fire(3, 16, 64);
    fire(4, 16, 64);
    max_pool(5);
    fire(6, 32, 128);
    fire(7, 32, 128);
    max_pool(8);
    fire(9, 48, 192);
    fire(10, 48, 192);
    fire(11, 64, 256);
    fire(12, 64, 256);
    x_ = g_.add("classifier.0", graph::Dropout{0.5}, {x_});
    x_ = conv(
        "classifier.1", x_,
        {.in_channels = g_.node(x_).output.channels, .out_channels = num_classes, .bias = true});
    x_ = g_.add("classifier.2", graph::Activation{}, {x_});
    g_.add("classifier.3", graph::GlobalAveragePool{graph::PoolStyle::adaptive_module}, {x_});
    return std::move(g_);
  }

 private:
  NodeId conv(std::string name, NodeId x, graph::Convolution c) {
    c.bias = true;
    return g_.add(std::move(name), c, {x});
  }

  void features(int index, const graph::Convolution& c) {
    x_ = conv(fmt::format("features.{}", index), x_, c);
    x_ = g_.add(fmt::format("features.{}", index + 1), graph::Activation{}, {x_});
  }

  void max_pool(int index) {
    x_ = g_.add(fmt::format("features.{}", index),
                graph::Pool{.kernel = {3, 3}, .stride = {2, 2}, .ceil_mode = true}, {x_});
  }

  // One narrow 1x1 convolution, behind it a 1x1 and a 3x3 one side by side.
  void fire(int index, std::int64_t squeezed, std::int64_t expanded) {
    const std::string name = fmt::format("features.{}.", index);
    const NodeId y =
        conv_relu(name + "squeeze", x_,
                  {.in_channels = g_.node(x_).output.channels, .out_channels = squeezed});
    const NodeId narrow =
        conv_relu(name + "expand1x1", y, {.in_channels = squeezed, .out_channels = expanded});
    const NodeId wide = conv_relu(name + "expand3x3", y,
                                  {.in_channels = squeezed,
                                   .out_channels = expanded,
                                   .kernel = {3, 3},
                                   .padding = graph::Padding::all(1)});
    x_ = g_.add(name + "concat", graph::Concat{}, {narrow, wide});
  }

  NodeId conv_relu(const std::string& name, NodeId x, const graph::Convolution& c) {
    const NodeId y = conv(name, x, c);
    return g_.add(name + "_activation", graph::Activation{}, {y});
  }

  Graph g_;
  NodeId x_ = -1;  // the last node so far
};

Graph build(const config::ModelConfig& config, std::int64_t num_classes) {
  return Builder(config).build(num_classes);
}

// As torchvision.
Initialization initial(const config::ModelConfig&) {
  return {.convolution = {.weight = WeightRule::kaiming_uniform, .bias = BiasRule::zero},
          .last = LayerInitialization{
              .weight = WeightRule::normal, .deviation = 0.01, .bias = BiasRule::zero}};
}

}  // namespace

void register_squeezenet(Registry<Model>& registry) {
  registry.add({.name = "squeezenet1_1",
                .summary = "SqueezeNet 1.1 for 224x224 images",
                .source = "Iandola 2016 (arXiv 1602.07360), version 1.1; torchvision",
                .input = {3, 224, 224},
                .resizable = true,
                .options = {},
                .build = build,
                .initialization = initial});
}

}  // namespace bitsweep::models
