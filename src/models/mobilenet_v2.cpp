// MobileNetV2 (Sandler 2018) with torchvision's names: inverted residual blocks with identity
// shortcuts. TensorFlow's releases pad "same" and come with batch norms folded: options.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "models/conv_block.h"
#include "models/model.h"

namespace bitsweep::models {
namespace {

using graph::ActivationKind;
using graph::Graph;
using graph::NodeId;

constexpr ConvStyle kStyle{};

struct Stage {
  int expansion;
  std::int64_t channels;  // at width 1
  int blocks;
  int stride;  // of its first block
};
constexpr std::array<Stage, 7> kStages{{{1, 16, 1, 1},
                                        {6, 24, 2, 2},
                                        {6, 32, 3, 2},
                                        {6, 64, 4, 2},
                                        {6, 96, 3, 1},
                                        {6, 160, 3, 2},
                                        {6, 320, 1, 1}}};

class Builder {
 public:
  explicit Builder(const config::ModelConfig& config)
      : g_(config.name), style_(conv_style(config, kStyle)), config_(config) {}

  Graph build(std::int64_t num_classes) {
    NodeId x = g_.add_input("input", input_shape(config_));
    x = conv_norm_relu6("features.0", x, {.out_channels = wide(32), .kernel = 3, .stride = 2});
    int index = 1;
    for (const Stage& stage : kStages) {
      for (int unit = 0; unit < stage.blocks; ++unit) {
        x = block(index++, x, stage, unit == 0 ? stage.stride : 1);
      }
    }
    const std::int64_t features = round_channels(1280 * std::max(1.0, config_.width));
    x = conv_norm_relu6(fmt::format("features.{}", index), x, {.out_channels = features});
    x = g_.add("avgpool", graph::GlobalAveragePool{}, {x});
    x = g_.add("classifier.0", graph::Dropout{0.2}, {x});
    g_.add("classifier.1", graph::Linear{.in_features = features, .out_features = num_classes},
           {x});
    return std::move(g_);
  }

 private:
  std::int64_t wide(std::int64_t channels) const {
    return round_channels(static_cast<double>(channels) * config_.width);
  }

  NodeId conv_norm_relu6(const std::string& name, NodeId x, const ConvShape& shape) {
    const NodeId y = add_conv_norm(g_, style_, name + ".0", name + ".1", x, shape);
    return g_.add(name + ".2", graph::Activation{ActivationKind::relu6}, {y});
  }

  NodeId block(int index, NodeId x, const Stage& stage, int stride) {
    const std::string name = fmt::format("features.{}.", index);
    const std::int64_t in_channels = g_.node(x).output.channels;
    const std::int64_t inner = in_channels * stage.expansion;
    const std::int64_t out_channels = wide(stage.channels);
    int part = 0;
    NodeId y = x;
    if (stage.expansion != 1) {
      y = conv_norm_relu6(fmt::format("{}conv.{}", name, part++), y, {.out_channels = inner});
    }
    y = conv_norm_relu6(fmt::format("{}conv.{}", name, part++), y,
                        {.out_channels = inner, .kernel = 3, .stride = stride, .groups = inner});
    y = add_conv_norm(g_, style_, fmt::format("{}conv.{}", name, part),
                      fmt::format("{}conv.{}", name, part + 1), y, {.out_channels = out_channels});
    if (stride != 1 || in_channels != out_channels) return y;
    return g_.add(name + "add", graph::Add{}, {x, y});
  }

  Graph g_;
  const ConvStyle style_;
  const config::ModelConfig& config_;
};

Graph build(const config::ModelConfig& config, std::int64_t num_classes) {
  return Builder(config).build(num_classes);
}

// As torchvision.
Initialization initial(const config::ModelConfig&) {
  return {.convolution = {.weight = WeightRule::kaiming_normal_fan_out, .bias = BiasRule::zero},
          .linear = {.weight = WeightRule::normal, .deviation = 0.01, .bias = BiasRule::zero}};
}

}  // namespace

void register_mobilenet_v2(Registry<Model>& registry) {
  std::vector<ModelOption> options = conv_style_options(kStyle);
  options.push_back(
      {"width", {"1", "0.35", "0.5", "0.75", "1.3", "1.4"}, "multiplies the numbers of channels"});
  registry.add({.name = "mobilenet_v2",
                .summary = "MobileNetV2 for 224x224 images",
                .source = "Sandler 2018 (arXiv 1801.04381); torchvision",
                .input = {3, 224, 224},
                .resizable = true,
                .options = std::move(options),
                .build = build,
                .initialization = initial});
}

}  // namespace bitsweep::models
