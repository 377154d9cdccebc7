// MobileNetV3-small (Howard 2019) with torchvision's names: inverted residual blocks, some with
// squeeze-and-excitation, ReLU in the first three and hard-swish behind. Keras's release pads
// "same" and comes with batch norms folded: options.
#include <fmt/format.h>

#include <array>

#include "models/conv_block.h"
#include "models/model.h"

namespace bitsweep::models {
namespace {

using graph::ActivationKind;
using graph::Graph;
using graph::NodeId;

constexpr ConvStyle kStyle{.eps = 1e-3, .momentum = 0.01};
constexpr std::int64_t kClassifierChannels = 1024;  // at width 1

struct Block {
  int kernel;
  std::int64_t inner_channels;  // at width 1
  std::int64_t out_channels;
  bool squeezes;
  ActivationKind activation;
  int stride;
};
constexpr auto kRelu = ActivationKind::relu;
constexpr auto kHardSwish = ActivationKind::hard_swish;
constexpr std::array<Block, 11> kBlocks{{{3, 16, 16, true, kRelu, 2},
                                         {3, 72, 24, false, kRelu, 2},
                                         {3, 88, 24, false, kRelu, 1},
                                         {5, 96, 40, true, kHardSwish, 2},
                                         {5, 240, 40, true, kHardSwish, 1},
                                         {5, 240, 40, true, kHardSwish, 1},
                                         {5, 120, 48, true, kHardSwish, 1},
                                         {5, 144, 48, true, kHardSwish, 1},
                                         {5, 288, 96, true, kHardSwish, 2},
                                         {5, 576, 96, true, kHardSwish, 1},
                                         {5, 576, 96, true, kHardSwish, 1}}};

class Builder {
 public:
  explicit Builder(const config::ModelConfig& config)
      : g_(config.name), style_(conv_style(config, kStyle)), config_(config) {}

  Graph build(std::int64_t num_classes) {
    NodeId x = g_.add_input("input", input_shape(config_));
    x = conv_norm("features.0", x, {.out_channels = wide(16), .kernel = 3, .stride = 2},
                  kHardSwish);
    int index = 1;
    for (const Block& b : kBlocks) x = block(index++, x, b);
    const std::int64_t features = 6 * g_.node(x).output.channels;
    x = conv_norm(fmt::format("features.{}", index), x, {.out_channels = features}, kHardSwish);
    x = g_.add("avgpool", graph::GlobalAveragePool{graph::PoolStyle::adaptive_module}, {x});
    const std::int64_t hidden = wide(kClassifierChannels);
    x = g_.add("classifier.0", graph::Linear{.in_features = features, .out_features = hidden}, {x});
    x = g_.add("classifier.1", graph::Activation{kHardSwish}, {x});
    x = g_.add("classifier.2", graph::Dropout{0.2}, {x});
    g_.add("classifier.3", graph::Linear{.in_features = hidden, .out_features = num_classes}, {x});
    return std::move(g_);
  }

 private:
  std::int64_t wide(std::int64_t channels) const {
    return round_channels(static_cast<double>(channels) * config_.width);
  }

  NodeId conv_norm(const std::string& name, NodeId x, const ConvShape& shape,
                   ActivationKind activation) {
    const NodeId y = add_conv_norm(g_, style_, name + ".0", name + ".1", x, shape);
    return g_.add(name + ".2", graph::Activation{activation}, {y});
  }

  NodeId block(int index, NodeId x, const Block& b) {
    const std::string name = fmt::format("features.{}.", index);
    const std::int64_t in_channels = g_.node(x).output.channels;
    const std::int64_t inner = wide(b.inner_channels);
    const std::int64_t out_channels = wide(b.out_channels);
    int part = 0;
    const auto next = [&] { return fmt::format("{}block.{}", name, part++); };
    NodeId y = x;
    if (inner != in_channels) y = conv_norm(next(), y, {.out_channels = inner}, b.activation);
    y = conv_norm(next(), y,
                  {.out_channels = inner, .kernel = b.kernel, .stride = b.stride, .groups = inner},
                  b.activation);
    if (b.squeezes) y = squeeze(next(), y);
    const std::string last = next();
    y = add_conv_norm(g_, style_, last + ".0", last + ".1", y, {.out_channels = out_channels});
    if (b.stride != 1 || in_channels != out_channels) return y;
    return g_.add(name + "add", graph::Add{}, {x, y});
  }

  // Squeeze-and-excitation (Hu 2018): every channel times a gate in [0, 1] from the channels'
  // means.
  NodeId squeeze(const std::string& name, NodeId x) {
    const std::int64_t channels = g_.node(x).output.channels;
    const std::int64_t fewer = round_channels(static_cast<double>(channels / 4));
    NodeId gate =
        g_.add(name + ".avgpool", graph::GlobalAveragePool{graph::PoolStyle::adaptive_module}, {x});
    gate = pointwise(name + ".fc1", gate, fewer);
    gate = g_.add(name + ".activation", graph::Activation{kRelu}, {gate});
    gate = pointwise(name + ".fc2", gate, channels);
    gate =
        g_.add(name + ".scale_activation", graph::Activation{ActivationKind::hard_sigmoid}, {gate});
    return g_.add(name + ".mul", graph::Multiply{}, {x, gate});
  }

  NodeId pointwise(std::string name, NodeId x, std::int64_t out_channels) {
    return g_.add(
        std::move(name),
        graph::Convolution{
            .in_channels = g_.node(x).output.channels, .out_channels = out_channels, .bias = true},
        {x});
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

void register_mobilenet_v3(Registry<Model>& registry) {
  std::vector<ModelOption> options = conv_style_options(kStyle);
  options.push_back({"width", {"1", "0.75"}, "multiplies the numbers of channels"});
  registry.add({.name = "mobilenet_v3_small",
                .summary = "MobileNetV3-small for 224x224 images",
                .source = "Howard 2019 (arXiv 1905.02244); torchvision",
                .input = {3, 224, 224},
                .resizable = true,
                .options = std::move(options),
                .build = build,
                .initialization = initial});
}

}  // namespace bitsweep::models
