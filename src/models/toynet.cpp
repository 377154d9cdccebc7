// ToyNet of document 002 (facts A.1): a ConvNeXt-like network for 32x32 images with depthwise 3x3
// convolutions, pointwise expansions by 4 and one ReLU a block. Tensor names as in its source.
#include <fmt/format.h>

#include <array>

#include "models/model.h"

namespace bitsweep::models {
namespace {

using graph::BitMap;
using graph::Graph;
using graph::NodeId;
using graph::Spot;

struct Stage {
  int blocks;
  std::int64_t channels;
  int stride;  // of its first block
};
constexpr std::array<Stage, 4> kStages{{{1, 16, 1}, {3, 32, 2}, {3, 32, 1}, {3, 64, 2}}};
constexpr std::int64_t kStemChannels = 16;
constexpr std::int64_t kHeaderChannels = 512;
constexpr std::int64_t kExpansion = 4;

// Lists of widths have 13 entries (facts A.1): of weights stem, ten blocks, header, classifier; of
// activations the input, then what each part hands to the next. The places inside a block share the
// entry of the block's input. Beside them one that lists never had: 16 bits before a downsampling
// (facts A.8.2).
constexpr std::size_t kBlocks = 10;
constexpr std::size_t kHeaderEntry = kBlocks + 1;
constexpr std::size_t kLastEntry = kBlocks + 2;
constexpr std::size_t kNormEntry = kBlocks + 3;

BitMap bit_entries() {
  BitMap out;
  out.weight_entries.push_back({"stem", 32});
  out.output_entries.push_back({"input", 32});
  out.output_entries.push_back({"stem output, inside block 1"});
  for (std::size_t i = 1; i <= kBlocks; ++i) {
    out.weight_entries.push_back({fmt::format("block {}", i)});
    if (i == kBlocks) continue;
    out.output_entries.push_back({fmt::format("output of block {}, inside block {}", i, i + 1)});
  }
  out.weight_entries.push_back({"header", 16});
  out.weight_entries.push_back({"fc", 16});
  out.output_entries.push_back({fmt::format("output of block {}", kBlocks), 32});
  out.output_entries.push_back({"header output, pooled output", 32});
  out.output_entries.push_back({"batch norm before a downsampling", 16, false});
  return out;
}

NodeId norm(Graph& g, std::string name, std::int64_t channels, NodeId x) {
  return g.add(std::move(name), graph::BatchNorm{.features = channels}, {x});
}

NodeId pointwise(Graph& g, std::string name, std::int64_t in, std::int64_t out, NodeId x) {
  return g.add(std::move(name), graph::Convolution{.in_channels = in, .out_channels = out}, {x});
}

// `entry`: of the block's weights, and of the activations inside it.
NodeId block(Graph& g, BitMap& bits, std::size_t entry, std::int64_t in, std::int64_t out,
             int stride, NodeId x) {
  const std::string name = fmt::format("cells.{}", entry - 1);
  const auto inside = [&](NodeId id) { bits.outputs.push_back({id, entry, Spot::inside}); };
  const auto weight = [&](NodeId id) {
    bits.weights.push_back({id, entry});
    return id;
  };
  if (stride != 1 || in != out) {
    x = norm(g, name + ".norm", in, x);
    bits.outputs.push_back({x, kNormEntry, Spot::norm});
    x = g.add(name + ".downsample",
              graph::Convolution{.in_channels = in,
                                 .out_channels = out,
                                 .kernel = {stride, stride},
                                 .stride = {stride, stride}},
              {x});
    inside(weight(x));
  }
  NodeId y = g.add(name + ".conv1",
                   graph::Convolution{.in_channels = out,
                                      .out_channels = out,
                                      .kernel = {3, 3},
                                      .padding = graph::Padding::all(1),
                                      .groups = out},
                   {x});
  weight(y);
  y = norm(g, name + ".bn1", out, y);
  inside(y);
  y = weight(pointwise(g, name + ".conv2", out, kExpansion * out, y));
  y = g.add(name + ".relu", graph::Activation{}, {y});
  inside(y);
  y = weight(pointwise(g, name + ".conv3", kExpansion * out, out, y));
  y = g.add(name + ".add", graph::Add{}, {y, x});
  bits.outputs.push_back({y, entry + 1, Spot::after_add});
  return y;
}

Graph build(const config::ModelConfig& config, std::int64_t num_classes) {
  Graph g(config.name);
  BitMap bits = bit_entries();
  NodeId x = g.add_input("input", {3, 32, 32});
  bits.outputs.push_back({x, 0, Spot::input});
  x = g.add("stem.conv",
            graph::Convolution{.in_channels = 3,
                               .out_channels = kStemChannels,
                               .kernel = {3, 3},
                               .padding = graph::Padding::all(1)},
            {x});
  bits.weights.push_back({x, 0});
  x = norm(g, "stem.bn", kStemChannels, x);
  bits.outputs.push_back({x, 1, Spot::outside});
  std::int64_t channels = kStemChannels;
  std::size_t entry = 1;
  for (const Stage& stage : kStages) {
    for (int unit = 0; unit < stage.blocks; ++unit) {
      x = block(g, bits, entry++, channels, stage.channels, unit == 0 ? stage.stride : 1, x);
      channels = stage.channels;
    }
  }
  x = pointwise(g, "header.conv", channels, kHeaderChannels, x);
  bits.weights.push_back({x, kHeaderEntry});
  x = norm(g, "header.bn", kHeaderChannels, x);
  bits.outputs.push_back({x, kLastEntry, Spot::outside});
  x = g.add("avgpool", graph::GlobalAveragePool{graph::PoolStyle::adaptive_module}, {x});
  bits.outputs.push_back({x, kLastEntry, Spot::pool});
  x = g.add("fc", graph::Linear{.in_features = kHeaderChannels, .out_features = num_classes}, {x});
  bits.weights.push_back({x, kLastEntry});
  g.set_bit_map(std::move(bits));
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
