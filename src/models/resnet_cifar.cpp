// Residual networks for 32x32 images (He 2015, section 4.2): a 3x3 stem and three stages of basic
// blocks with 16, 32 and 64 channels. Two published forms:
//   shortcut "A"  zero-padded shortcuts without parameters; tensor names of the public CIFAR
//   weights
//                 (akamaster/pytorch_resnet_cifar10).
//   shortcut "B"  1x1 convolution and batch norm where the shape changes; document 002 (facts A.3),
//                 with its tensor names and its average pool module.
#include <fmt/format.h>

#include "models/model.h"

namespace bitsweep::models {
namespace {

using graph::BitMap;
using graph::Graph;
using graph::NodeId;
using graph::Spot;

struct BlockParams {
  std::string name;  // prefix of the names of its nodes
  std::int64_t in_channels;
  std::int64_t out_channels;
  int stride;
  bool post_add_relu;
  std::size_t entry;  // of its layers and activations in lists of widths
};

// Lists of widths have an entry for each block (document 002, facts A.3), for all that stands in
// it. Stem, classifier and average have widths of their own.
BitMap bit_entries(std::size_t blocks) {
  BitMap out;
  out.source_quantizer = "dorefa_clamp";
  for (std::size_t i = 1; i <= blocks; ++i) {
    out.weight_entries.push_back({fmt::format("block {}", i)});
    out.output_entries.push_back({fmt::format("block {}", i)});
  }
  out.weight_entries.push_back({"stem", 32, false});
  out.output_entries.push_back({"stem output", 32, false});
  out.weight_entries.push_back({"classifier", 16, false});
  out.output_entries.push_back({"pooled output", 32, false});
  return out;
}

NodeId conv_norm(Graph& g, BitMap& bits, std::size_t entry, const std::string& conv_name,
                 const std::string& norm_name, NodeId x, const graph::Convolution& conv) {
  const NodeId y = g.add(conv_name, conv, {x});
  bits.weights.push_back({y, entry});
  return g.add(norm_name, graph::BatchNorm{.features = conv.out_channels}, {y});
}

graph::Convolution conv3x3(std::int64_t in, std::int64_t out, int stride) {
  return {.in_channels = in,
          .out_channels = out,
          .kernel = {3, 3},
          .stride = {stride, stride},
          .padding = graph::Padding::all(1)};
}

NodeId relu(Graph& g, std::string name, NodeId x) {
  return g.add(std::move(name), graph::Activation{}, {x});
}

// The zero channels are split evenly before and after (shared weights; He pads at the end).
NodeId shortcut_a(Graph& g, BitMap&, const BlockParams& p, NodeId x) {
  const std::int64_t missing = p.out_channels - p.in_channels;
  return g.add(p.name + ".shortcut",
               graph::ZeroPadShortcut{.stride = p.stride,
                                      .channels_before = missing / 2,
                                      .channels_after = missing - missing / 2},
               {x});
}

NodeId shortcut_b(Graph& g, BitMap& bits, const BlockParams& p, NodeId x) {
  const NodeId y = conv_norm(g, bits, p.entry, p.name + ".identity_conv", p.name + ".bn3", x,
                             {.in_channels = p.in_channels,
                              .out_channels = p.out_channels,
                              .stride = {p.stride, p.stride}});
  bits.outputs.push_back({y, p.entry, Spot::branch});
  return y;
}

NodeId basic_block(Graph& g, BitMap& bits, const BlockParams& p, NodeId x,
                   NodeId (*shortcut)(Graph&, BitMap&, const BlockParams&, NodeId)) {
  const bool reshapes = p.stride != 1 || p.in_channels != p.out_channels;
  const NodeId identity = reshapes ? shortcut(g, bits, p, x) : x;
  NodeId y = conv_norm(g, bits, p.entry, p.name + ".conv1", p.name + ".bn1", x,
                       conv3x3(p.in_channels, p.out_channels, p.stride));
  y = relu(g, p.name + ".relu1", y);
  bits.outputs.push_back({y, p.entry, Spot::inside});
  y = conv_norm(g, bits, p.entry, p.name + ".conv2", p.name + ".bn2", y,
                conv3x3(p.out_channels, p.out_channels, 1));
  y = g.add(p.name + ".add", graph::Add{}, {y, identity});
  if (p.post_add_relu) y = relu(g, p.name + ".relu2", y);
  bits.outputs.push_back({y, p.entry, Spot::after_add});
  return y;
}

// What the two published forms name differently.
struct Form {
  const char* stem;
  const char* pool;
  graph::PoolStyle pool_style;
  const char* classifier;
  std::string (*block)(int stage, int unit);  // both from 0
  NodeId (*shortcut)(Graph&, BitMap&, const BlockParams&, NodeId);
};

const Form kFormA{"conv1",
                  "avgpool",
                  graph::PoolStyle::functional,
                  "linear",
                  [](int stage, int unit) { return fmt::format("layer{}.{}", stage + 1, unit); },
                  shortcut_a};
const Form kFormB{
    "stem",
    "features.final_pool",
    graph::PoolStyle::module,
    "output",
    [](int stage, int unit) { return fmt::format("features.stage{}.unit{}", stage + 1, unit + 1); },
    shortcut_b};

template <int kBlocksPerStage>
Graph build(const config::ModelConfig& config, std::int64_t num_classes) {
  const Form& form = config.shortcut == "B" ? kFormB : kFormA;
  Graph g(config.name);
  const NodeId input = g.add_input("input", {3, 32, 32});
  constexpr std::size_t kBlocks = 3 * kBlocksPerStage;
  BitMap bits = bit_entries(kBlocks);
  NodeId x =
      relu(g, "relu1", conv_norm(g, bits, kBlocks, form.stem, "bn1", input, conv3x3(3, 16, 1)));
  bits.outputs.push_back({x, kBlocks, Spot::outside});
  std::size_t block = 0;
  std::int64_t channels = 16;
  for (int stage = 0; stage < 3; ++stage) {
    const std::int64_t out_channels = std::int64_t{16} << stage;
    for (int unit = 0; unit < kBlocksPerStage; ++unit) {
      x = basic_block(g, bits,
                      {.name = form.block(stage, unit),
                       .in_channels = channels,
                       .out_channels = out_channels,
                       .stride = stage > 0 && unit == 0 ? 2 : 1,
                       .post_add_relu = config.post_add_relu,
                       .entry = block++},
                      x, form.shortcut);
      channels = out_channels;
    }
  }
  x = g.add(form.pool, graph::GlobalAveragePool{form.pool_style}, {x});
  bits.outputs.push_back({x, kBlocks + 1, Spot::pool});
  x = g.add(form.classifier, graph::Linear{.in_features = channels, .out_features = num_classes},
            {x});
  bits.weights.push_back({x, kBlocks + 1});
  g.set_bit_map(std::move(bits));
  return g;
}

// Shortcut "A": akamaster's _weights_init, Kaiming-normal for every weight; biases are PyTorch's.
// Shortcut "B": facts A.3, Kaiming-uniform convolutions; nothing is said of the classifier, whose
// values are then PyTorch's.
Initialization initial(const config::ModelConfig& config) {
  if (config.shortcut == "B") return {.convolution = {.weight = WeightRule::kaiming_uniform}};
  return {.convolution = {.weight = WeightRule::kaiming_normal_fan_in},
          .linear = {.weight = WeightRule::kaiming_normal_fan_in}};
}

template <int kBlocksPerStage>
Model resnet() {
  const int depth = 6 * kBlocksPerStage + 2;
  return {
      .name = fmt::format("resnet{}", depth),
      .summary = fmt::format("Residual network of {} layers for 32x32 images", depth),
      .source = "He 2015 (arXiv 1512.03385), section 4.2; shortcut B: document 002",
      .input = {3, 32, 32},
      .options = {{"shortcut",
                   {"A", "B"},
                   "A: zero-padded, without parameters; B: 1x1 convolution where shapes change"},
                  {"post_add_relu",
                   {"true", "false"},
                   "false: no ReLU after the additions, as document 002's full-precision net"}},
      .build = build<kBlocksPerStage>,
      .initialization = initial};
}

}  // namespace

void register_resnet_cifar(Registry<Model>& registry) {
  registry.add(resnet<3>());
  registry.add(resnet<5>());
  registry.add(resnet<7>());
  registry.add(resnet<9>());
}

}  // namespace bitsweep::models
