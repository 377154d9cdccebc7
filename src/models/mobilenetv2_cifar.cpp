// MobileNetV2 of document 002 for 32x32 images (facts A.2): inverted residual blocks whose every
// shortcut, where the stride is 1, is a 1x1 convolution and a batch norm, even between equal
// numbers of channels. Tensor names as in its source.
#include <fmt/format.h>

#include <array>

#include "models/model.h"

namespace bitsweep::models {
namespace {

using graph::ActivationKind;
using graph::BitMap;
using graph::Graph;
using graph::NodeId;
using graph::Spot;

struct Stage {
  std::int64_t expansion;
  std::int64_t channels;
  int blocks;
  int stride;  // of its first block
};
constexpr std::array<Stage, 7> kStages{{{1, 16, 1, 1},
                                        {6, 24, 2, 1},
                                        {6, 32, 3, 2},
                                        {6, 64, 4, 2},
                                        {6, 96, 3, 1},
                                        {6, 160, 3, 2},
                                        {6, 320, 1, 1}}};
constexpr std::int64_t kStemChannels = 32;
constexpr std::int64_t kHeadChannels = 1280;

// Lists of widths have 20 entries (facts A.2): of weights stem, 17 blocks, head, classifier; of
// activations the input, which the source never quantizes, then what each part hands to the next.
// The places inside a block share the entry of the block's input.
constexpr std::size_t kBlocks = 17;
constexpr std::size_t kHeadEntry = kBlocks + 1;
constexpr std::size_t kLastEntry = kBlocks + 2;
constexpr double kAlpha = 10;

BitMap bit_entries() {
  BitMap out;
  out.alpha_outside = kAlpha;
  out.weight_entries.push_back({"stem", 32});
  out.output_entries.push_back({"input (never quantized)", 32});
  out.output_entries.push_back({"stem output, inside block 1"});
  for (std::size_t i = 1; i <= kBlocks; ++i) {
    out.weight_entries.push_back({fmt::format("block {}", i)});
    if (i == kBlocks) continue;
    out.output_entries.push_back({fmt::format("output of block {}, inside block {}", i, i + 1)});
  }
  out.weight_entries.push_back({"head", 16});
  out.weight_entries.push_back({"linear", 16});
  out.output_entries.push_back({fmt::format("output of block {}", kBlocks), 32});
  out.output_entries.push_back(
      {.what = "pooled output", .own_width = 32, .own_quantizer = "dorefa_clamp"});
  return out;
}

class Builder {
 public:
  explicit Builder(std::string name) : g_(std::move(name)), bits_(bit_entries()) {}

  Graph build(std::int64_t num_classes) {
    NodeId x = conv_norm(0, "stem", "bn1", g_.add_input("input", {3, 32, 32}),
                         {.in_channels = 3,
                          .out_channels = kStemChannels,
                          .kernel = {3, 3},
                          .padding = graph::Padding::all(1)});
    x = g_.add("relu1", graph::Activation{}, {x});
    quantized(x, 1, Spot::outside);
    std::int64_t channels = kStemChannels;
    std::size_t entry = 1;
    for (const Stage& stage : kStages) {
      for (int unit = 0; unit < stage.blocks; ++unit) {
        x = block(entry++, x,
                  {.in_channels = channels,
                   .inner_channels = channels * stage.expansion,
                   .out_channels = stage.channels,
                   .stride = unit == 0 ? stage.stride : 1});
        channels = stage.channels;
      }
    }
    x = conv_norm(kHeadEntry, "head", "bn2", x,
                  {.in_channels = channels, .out_channels = kHeadChannels});
    x = g_.add("relu2", graph::Activation{}, {x});
    x = g_.add("avg_pool", graph::GlobalAveragePool{}, {x});
    quantized(x, kLastEntry, Spot::pool);
    x = g_.add("linear", graph::Linear{.in_features = kHeadChannels, .out_features = num_classes},
               {x});
    bits_.weights.push_back({x, kLastEntry});
    g_.set_bit_map(std::move(bits_));
    return std::move(g_);
  }

 private:
  struct Block {
    std::int64_t in_channels;
    std::int64_t inner_channels;
    std::int64_t out_channels;
    int stride;
  };

  // `entry`: of the block's weights, and of the activations inside it.
  NodeId block(std::size_t entry, NodeId x, const Block& b) {
    const std::string name = fmt::format("layers.{}.", entry - 1);
    NodeId y = conv_norm(entry, name + "conv1", name + "bn1", x,
                         {.in_channels = b.in_channels, .out_channels = b.inner_channels});
    y = relu6(entry, name + "relu1", y);
    y = conv_norm(entry, name + "conv2", name + "bn2", y,
                  {.in_channels = b.inner_channels,
                   .out_channels = b.inner_channels,
                   .kernel = {3, 3},
                   .stride = {b.stride, b.stride},
                   .padding = graph::Padding::all(1),
                   .groups = b.inner_channels});
    y = relu6(entry, name + "relu2", y);
    y = conv_norm(entry, name + "conv3", name + "bn3", y,
                  {.in_channels = b.inner_channels, .out_channels = b.out_channels});
    if (b.stride == 1) {
      const NodeId shortcut =
          conv_norm(entry, name + "shortcut.0", name + "shortcut.1", x,
                    {.in_channels = b.in_channels, .out_channels = b.out_channels});
      quantized(shortcut, entry + 1, Spot::branch);
      y = g_.add(name + "add", graph::Add{}, {y, shortcut});
    }
    quantized(y, entry + 1, Spot::after_add);
    return y;
  }

  NodeId conv_norm(std::size_t entry, std::string conv_name, std::string norm_name, NodeId x,
                   const graph::Convolution& conv) {
    const NodeId y = g_.add(std::move(conv_name), conv, {x});
    bits_.weights.push_back({y, entry});
    return g_.add(std::move(norm_name), graph::BatchNorm{.features = conv.out_channels}, {y});
  }

  NodeId relu6(std::size_t entry, std::string name, NodeId x) {
    const NodeId y = g_.add(std::move(name), graph::Activation{ActivationKind::relu6}, {x});
    quantized(y, entry, Spot::inside);
    return y;
  }

  void quantized(NodeId x, std::size_t entry, Spot spot) {
    bits_.outputs.push_back({x, entry, spot});
  }

  Graph g_;
  BitMap bits_;
};

Graph build(const config::ModelConfig& config, std::int64_t num_classes) {
  return Builder(config.name).build(num_classes);
}

}  // namespace

void register_mobilenetv2_cifar(Registry<Model>& registry) {
  registry.add({.name = "mobilenetv2_cifar",
                .summary = "MobileNetV2 of 2,383,050 parameters for 32x32 images, a convolution "
                           "in every shortcut",
                .source = "document 002 (facts A.2)",
                .input = {3, 32, 32},
                .options = {},
                .build = build,
                .initialization = pytorch_initialization});
}

}  // namespace bitsweep::models
