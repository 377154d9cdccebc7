// Blocks of published networks, built with the graph's own calls: what the graph must be able to
// hold.
#pragma once

#include "graph/graph.h"

namespace bitsweep::graph::testing {

// Convolution, batch norm and ReLU named NAME.conv, NAME.bn, NAME.relu.
inline NodeId conv_norm_relu(Graph& g, const std::string& name, NodeId x, Convolution conv) {
  conv.in_channels = g.node(x).output.channels;
  x = g.add(name + ".conv", conv, {x});
  x = g.add(name + ".bn", BatchNorm{.features = conv.out_channels}, {x});
  return g.add(name + ".relu", Activation{}, {x});
}

inline Convolution convolution(std::int64_t out, int height, int width, int stride = 1,
                               Padding padding = {}) {
  Convolution conv;
  conv.out_channels = out;
  conv.kernel = {height, width};
  conv.stride = {stride, stride};
  conv.padding = padding;
  return conv;
}

// Inception-V3's Mixed_6b at 17x17: four branches, 1x7 and 7x1 kernels, a padded average pool.
inline NodeId inception_block(Graph& g, NodeId x) {
  const Padding wide{0, 3, 0, 3};
  const Padding tall{3, 0, 3, 0};
  const NodeId b1 = conv_norm_relu(g, "branch1x1", x, convolution(192, 1, 1));
  NodeId b7 = conv_norm_relu(g, "branch7x7_1", x, convolution(128, 1, 1));
  b7 = conv_norm_relu(g, "branch7x7_2", b7, convolution(128, 1, 7, 1, wide));
  b7 = conv_norm_relu(g, "branch7x7_3", b7, convolution(192, 7, 1, 1, tall));
  NodeId d = conv_norm_relu(g, "branch7x7dbl_1", x, convolution(128, 1, 1));
  d = conv_norm_relu(g, "branch7x7dbl_2", d, convolution(128, 7, 1, 1, tall));
  d = conv_norm_relu(g, "branch7x7dbl_3", d, convolution(192, 1, 7, 1, wide));
  Pool pool;
  pool.kind = PoolKind::average;
  pool.kernel = {3, 3};
  pool.padding = Padding::all(1);
  NodeId p = g.add("pool", pool, {x});
  p = conv_norm_relu(g, "branch_pool", p, convolution(192, 1, 1));
  return g.add("concat", Concat{}, {b1, b7, d, p});
}

// MobileNetV3's second bottleneck with squeeze-excite: TF "SAME" padding (nothing at top and left
// for stride 2 on even sizes), a gate that multiplies channels, hard-swish.
inline NodeId squeeze_excite_block(Graph& g, NodeId x, std::int64_t expanded, std::int64_t out) {
  x = conv_norm_relu(g, "expand", x, convolution(expanded, 1, 1));
  Convolution depthwise = convolution(expanded, 3, 3, 2, Padding{0, 0, 1, 1});
  depthwise.in_channels = depthwise.groups = expanded;
  x = g.add("depthwise", depthwise, {x});
  x = g.add("hard_swish", Activation{ActivationKind::hard_swish}, {x});
  NodeId gate = g.add("squeeze", GlobalAveragePool{PoolStyle::adaptive_module}, {x});
  Convolution fc1 = convolution(expanded / 4, 1, 1);
  fc1.in_channels = expanded;
  fc1.bias = true;
  gate = g.add("fc1", fc1, {gate});
  gate = g.add("fc1_relu", Activation{}, {gate});
  Convolution fc2 = convolution(expanded, 1, 1);
  fc2.in_channels = expanded / 4;
  fc2.bias = true;
  gate = g.add("fc2", fc2, {gate});
  gate = g.add("gate", Activation{ActivationKind::hard_sigmoid}, {gate});
  x = g.add("scale", Multiply{}, {x, gate});
  Convolution project = convolution(out, 1, 1);
  project.in_channels = expanded;
  return g.add("project", project, {x});
}

// The first block of ResNet20's second stage with shortcut A.
inline NodeId shortcut_a_block(Graph& g, NodeId x) {
  const NodeId identity = g.add(
      "shortcut", ZeroPadShortcut{.stride = 2, .channels_before = 8, .channels_after = 8}, {x});
  NodeId y = conv_norm_relu(g, "a", x, convolution(32, 3, 3, 2, Padding::all(1)));
  Convolution second = convolution(32, 3, 3, 1, Padding::all(1));
  second.in_channels = 32;
  y = g.add("b.conv", second, {y});
  y = g.add("b.bn", BatchNorm{.features = 32}, {y});
  y = g.add("add", Add{}, {y, identity});
  return g.add("relu", Activation{}, {y});
}

}  // namespace bitsweep::graph::testing
