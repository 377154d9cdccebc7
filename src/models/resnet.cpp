// Residual networks for ImageNet (He 2015) with torchvision's names: ResNet18 of basic blocks,
// ResNet50 and 101 of bottlenecks whose stride lies in the 3x3 convolution.
#include <fmt/format.h>

#include <array>

#include "models/conv_block.h"
#include "models/model.h"

namespace bitsweep::models {
namespace {

using graph::Graph;
using graph::NodeId;

using Blocks = std::array<int, 4>;  // of each stage
constexpr std::int64_t kBottleneckExpansion = 4;
constexpr ConvStyle kStyle{};

class Builder {
 public:
  Builder(const config::ModelConfig& config, const Blocks& blocks, bool bottlenecks)
      : g_(config.name), blocks_(blocks), bottlenecks_(bottlenecks), config_(config) {}

  Graph build(std::int64_t num_classes) {
    NodeId x = g_.add_input("input", input_shape(config_));
    x = conv("conv1", "bn1", x, {.out_channels = 64, .kernel = 7, .stride = 2});
    x = relu("relu", x);
    x = g_.add("maxpool",
               graph::Pool{.kernel = {3, 3}, .stride = {2, 2}, .padding = graph::Padding::all(1)},
               {x});
    for (int stage = 0; stage < 4; ++stage) {
      for (int unit = 0; unit < blocks_[static_cast<std::size_t>(stage)]; ++unit) {
        x = block(fmt::format("layer{}.{}.", stage + 1, unit), x, std::int64_t{64} << stage,
                  stage > 0 && unit == 0 ? 2 : 1);
      }
    }
    const std::int64_t features = g_.node(x).output.channels;
    x = g_.add("avgpool", graph::GlobalAveragePool{graph::PoolStyle::adaptive_module}, {x});
    g_.add("fc", graph::Linear{.in_features = features, .out_features = num_classes}, {x});
    return std::move(g_);
  }

 private:
  NodeId conv(std::string name, std::string norm, NodeId x, const ConvShape& shape) {
    return add_conv_norm(g_, kStyle, std::move(name), std::move(norm), x, shape);
  }

  NodeId relu(std::string name, NodeId x) {
    return g_.add(std::move(name), graph::Activation{}, {x});
  }

  NodeId block(const std::string& name, NodeId x, std::int64_t channels, int stride) {
    const std::int64_t out_channels = channels * (bottlenecks_ ? kBottleneckExpansion : 1);
    NodeId y =
        bottlenecks_ ? bottleneck(name, x, channels, stride) : basic(name, x, channels, stride);
    NodeId identity = x;
    if (stride != 1 || g_.node(x).output.channels != out_channels) {
      identity = conv(name + "downsample.0", name + "downsample.1", x,
                      {.out_channels = out_channels, .stride = stride});
    }
    y = g_.add(name + "add", graph::Add{}, {y, identity});
    return relu(name + (bottlenecks_ ? "relu3" : "relu2"), y);
  }

  NodeId basic(const std::string& name, NodeId x, std::int64_t channels, int stride) {
    x = conv(name + "conv1", name + "bn1", x,
             {.out_channels = channels, .kernel = 3, .stride = stride});
    x = relu(name + "relu1", x);
    return conv(name + "conv2", name + "bn2", x, {.out_channels = channels, .kernel = 3});
  }

  NodeId bottleneck(const std::string& name, NodeId x, std::int64_t channels, int stride) {
    x = conv(name + "conv1", name + "bn1", x, {.out_channels = channels});
    x = relu(name + "relu1", x);
    x = conv(name + "conv2", name + "bn2", x,
             {.out_channels = channels, .kernel = 3, .stride = stride});
    x = relu(name + "relu2", x);
    return conv(name + "conv3", name + "bn3", x, {.out_channels = channels * kBottleneckExpansion});
  }

  Graph g_;
  const Blocks blocks_;
  const bool bottlenecks_;
  const config::ModelConfig& config_;
};

template <int kDepth>
Graph build(const config::ModelConfig& config, std::int64_t num_classes) {
  static_assert(kDepth == 18 || kDepth == 50 || kDepth == 101);
  constexpr Blocks kBlocks = kDepth == 18   ? Blocks{2, 2, 2, 2}
                             : kDepth == 50 ? Blocks{3, 4, 6, 3}
                                            : Blocks{3, 4, 23, 3};
  return Builder(config, kBlocks, kDepth != 18).build(num_classes);
}

// As torchvision.
Initialization initial(const config::ModelConfig&) {
  return {.convolution = {.weight = WeightRule::kaiming_normal_fan_out}};
}

template <int kDepth>
Model resnet() {
  return {.name = fmt::format("resnet{}", kDepth),
          .summary = fmt::format("Residual network of {} layers for 224x224 images", kDepth),
          .source = "He 2015 (arXiv 1512.03385); torchvision",
          .input = {3, 224, 224},
          .resizable = true,
          .options = {},
          .build = build<kDepth>,
          .initialization = initial};
}

}  // namespace

void register_resnet(Registry<Model>& registry) {
  registry.add(resnet<18>());
  registry.add(resnet<50>());
  registry.add(resnet<101>());
}

}  // namespace bitsweep::models
