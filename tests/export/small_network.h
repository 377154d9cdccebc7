// A small quantized network with everything that an exported file can hold.
#pragma once

#include <cmath>

#include "export/quantized_network.h"
#include "kernels/fake_quantize.h"

namespace bitsweep::exporting {

inline graph::Graph small_graph() {
  graph::Graph g("small");
  auto x = g.add_input("input", {3, 8, 8});
  graph::Convolution conv;
  conv.in_channels = 3;
  conv.out_channels = 4;
  conv.kernel = {3, 3};
  conv.padding = {0, 1, 1, 0};
  conv.stride = {2, 2};
  conv.bias = true;
  x = g.add("conv1", conv, {x});
  x = g.add("relu1", graph::Activation{graph::ActivationKind::relu}, {x});
  graph::Convolution depthwise;
  depthwise.in_channels = depthwise.out_channels = depthwise.groups = 4;
  depthwise.kernel = {3, 3};
  depthwise.dilation = {1, 1};
  depthwise.padding = graph::Padding::all(1);
  auto y = g.add("conv2", depthwise, {x});
  y = g.add("bn2", graph::BatchNorm{.features = 4, .eps = 1e-3, .momentum = 0.2}, {y});
  y = g.add("act2", graph::Activation{graph::ActivationKind::hard_swish}, {y});
  x = g.add("add", graph::Add{}, {x, y});
  auto s = g.add("shortcut", graph::ZeroPadShortcut{2, 1, 2}, {x});
  graph::Pool pool;
  pool.kind = graph::PoolKind::average;
  pool.kernel = {2, 2};
  pool.stride = {2, 2};
  pool.count_include_pad = false;
  auto p = g.add("pool", pool, {x});
  x = g.add("concat", graph::Concat{}, {s, p});
  auto gate = g.add("gate.pool", graph::GlobalAveragePool{graph::PoolStyle::adaptive_module}, {x});
  gate = g.add("gate.act", graph::Activation{graph::ActivationKind::hard_sigmoid_fifth}, {gate});
  x = g.add("gated", graph::Multiply{}, {x, gate});
  x = g.add("last.pool", graph::GlobalAveragePool{}, {x});
  x = g.add("flatten", graph::Flatten{}, {x});
  x = g.add("dropout", graph::Dropout{0.25}, {x});
  g.add("fc", graph::Linear{.in_features = 11, .out_features = 5, .bias = true}, {x});
  return g;
}

// Codes that use the whole of each channel's width.
inline WeightCodes spread_codes(graph::NodeId node, std::size_t elements,
                                const std::vector<int>& bits) {
  WeightCodes out;
  out.node = node;
  out.quantizer = "affine";
  out.bits = bits;
  for (std::size_t c = 0; c < bits.size(); ++c) {
    const auto range = 0.5F + 0.25F * static_cast<float>(c);
    out.grids.push_back(bits[c] == 0 ? kernels::constant_grid(0.125F)
                                     : kernels::affine_grid({-range / 3, range}, bits[c]));
  }
  const std::size_t per_channel = elements / bits.size();
  for (std::size_t i = 0; i < elements; ++i) {
    out.codes.push_back(static_cast<std::int32_t>(i * 7919 % (1U << bits[i / per_channel])));
  }
  return out;
}

inline QuantizedNetwork small_network() {
  QuantizedNetwork out;
  out.key = std::string(64, 'a');
  out.name = "sweep/method=all";
  out.settings = {{"kind", "ptq"}, {"data.name", "cifar10"}};
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t v = 0; v < 256; ++v) {
      out.normalization.value[c][v] =
          static_cast<float>(v) / 255.0F - 0.25F * static_cast<float>(c);
    }
  }
  out.graph = small_graph();
  out.parameters = graph::Parameters(out.graph);
  std::span<float> flat = out.parameters.flat();
  for (std::size_t i = 0; i < flat.size(); ++i) {
    flat[i] = 0.01F * static_cast<float>(i % 37) + 0.1F;  // variances stay positive
  }
  out.skipped.resize(out.graph.nodes().size());
  out.skipped[static_cast<std::size_t>(out.graph.find("relu1"))] = true;

  WeightCodes first = spread_codes(out.graph.find("conv1"), 4 * 27, {8, 4, 0, 3});
  first.corrections = {{1, 0}, {1.25, 0.01}, {1, -0.5}, {0.5, 0.125}};
  WeightCodes last = spread_codes(out.graph.find("fc"), 55, {6});
  out.weights = {first, last};
  for (const WeightCodes& weight : out.weights) {
    const graph::Node& node = out.graph.node(weight.node);
    std::ranges::copy(decode(weight, node.output.channels),
                      out.parameters.values(node.name + ".weight").begin());
  }

  OutputGrid relu;
  relu.node = out.graph.find("conv1");
  relu.quantizer = "affine";
  relu.half_range = true;
  relu.bits = {4, 4, 2, 0};
  for (const int bits : relu.bits) {
    relu.ranges.push_back({0, 2.5F});
    relu.grids.push_back(bits == 0 ? kernels::constant_grid(0.75F)
                                   : kernels::affine_grid({0, 2.5F}, bits));
  }
  relu.rounding = kernels::kDocument004VectorRounding;
  relu.positive_shifts = {0.01, 0, -0.002, 0};
  OutputGrid logits;
  logits.node = out.graph.find("fc");
  logits.quantizer = "affine";
  logits.bits = {8};
  logits.ranges = {{-3, 7}};
  logits.grids = {kernels::anchored_affine_grid({-3, 7}, 8)};
  logits.rounding = kernels::kDocument004KernelRounding;
  out.outputs = {relu, logits};
  out.recorded = {10,
                  7,
                  0.7,
                  0.9,
                  1.25,
                  std::string(64, 'b'),
                  std::string(64, 'c'),
                  {{"libtorch", "2.11.0"}, {"threads", 1}}};
  return out;
}

}  // namespace bitsweep::exporting
