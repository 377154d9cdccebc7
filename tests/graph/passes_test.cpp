#include "graph/passes.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <random>

#include "blocks.h"
#include "graph/layers.h"
#include "graph/signs.h"

using namespace bitsweep::graph;
using namespace bitsweep::graph::testing;

namespace {

void fill(Parameters& parameters, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> uniform(0.1F, 2.0F);  // variances stay positive
  for (float& value : parameters.flat()) value = uniform(engine);
}

// One grouped layer and its batch norm.
Graph grouped_network(bool bias) {
  Graph g("net");
  NodeId x = g.add_input("input", {4, 3, 3});
  Convolution conv = convolution(6, 3, 3);
  conv.in_channels = 4;
  conv.groups = 2;
  conv.bias = bias;
  x = g.add("conv", conv, {x});
  g.add("bn", BatchNorm{.features = 6, .eps = 1e-3}, {x});
  return g;
}

// The value of output channel c of grouped_network for an image of ones, by the definitions.
double by_definition(const Parameters& p, std::size_t c, bool has_bias, bool has_norm) {
  double sum = has_bias ? p.values("conv.bias")[c] : 0.0;
  for (std::size_t i = 0; i < 18; ++i) sum += p.values("conv.weight")[c * 18 + i];
  if (!has_norm) return sum;
  return (sum - p.values("bn.running_mean")[c]) / std::sqrt(p.values("bn.running_var")[c] + 1e-3) *
             p.values("bn.weight")[c] +
         p.values("bn.bias")[c];
}

}  // namespace

TEST_CASE("a folded layer computes what layer and batch norm computed, grouped and with bias") {
  for (const bool bias : {false, true}) {
    const Graph g = grouped_network(bias);
    Parameters parameters(g);
    fill(parameters, 1);
    const Folding folding = fold_batch_norm(g);
    const Parameters folded = fold_parameters(folding, g, parameters);
    CHECK(folding.graph.nodes().size() == 2);
    CHECK_FALSE(folded.contains("bn.weight"));
    for (std::size_t c = 0; c < 6; ++c) {
      CHECK(by_definition(folded, c, true, false) ==
            Catch::Approx(by_definition(parameters, c, bias, true)).epsilon(1e-6));
    }
  }
}

TEST_CASE("folding multiplies by the inverse deviation, then by gamma, in float32") {
  const Graph g = grouped_network(false);
  Parameters parameters(g);
  fill(parameters, 2);
  const Parameters folded = fold_parameters(fold_batch_norm(g), g, parameters);
  for (std::size_t i = 0; i < 108; ++i) {
    const std::size_t c = i / 18;
    const float deviation = std::sqrt(parameters.values("bn.running_var")[c] + 1e-3F);
    const float normed = parameters.values("conv.weight")[i] * (1.0F / deviation);
    CHECK(folded.values("conv.weight")[i] == normed * parameters.values("bn.weight")[c]);
  }
}

TEST_CASE("folding keeps layer names and maps every node to what computes its value") {
  Graph g("net");
  const NodeId x = g.add_input("input", {16, 32, 32});
  shortcut_a_block(g, x);
  const Folding folding = fold_batch_norm(g);
  CHECK(layer_names(folding.graph) == layer_names(g));
  CHECK(folding.graph.nodes().size() == g.nodes().size() - 2);
  const auto node_of = [&](const char* name) {
    return folding.node_of[static_cast<std::size_t>(g.find(name))];
  };
  CHECK(node_of("b.bn") == folding.graph.find("b.conv"));
  CHECK(node_of("add") == folding.graph.find("add"));
  CHECK(folding.graph.node(node_of("add")).inputs ==
        std::vector<NodeId>{node_of("b.bn"), node_of("shortcut")});
  CHECK(folding.folded_norm[static_cast<std::size_t>(node_of("b.bn"))] == g.find("b.bn"));
  CHECK(folding.folded_norm[static_cast<std::size_t>(node_of("add"))] == -1);
}

TEST_CASE("a batch norm is not folded where its layer has another user, or where no layer leads") {
  Graph g("net");
  const NodeId x = g.add_input("input", {2, 4, 4});
  const NodeId before = g.add("before", BatchNorm{.features = 2}, {x});
  Convolution conv = convolution(2, 1, 1);
  conv.in_channels = 2;
  const NodeId y = g.add("conv", conv, {before});
  const NodeId normed = g.add("bn", BatchNorm{.features = 2}, {y});
  g.add("add", Add{}, {normed, y});
  const Folding folding = fold_batch_norm(g);
  CHECK(folding.graph.nodes().size() == g.nodes().size());
  CHECK_FALSE(folding.graph.node(folding.graph.find("conv")).as<Convolution>()->bias);
}

TEST_CASE("keep_batch_norm folds nothing and copies every value") {
  const Graph g = grouped_network(false);
  Parameters parameters(g);
  fill(parameters, 3);
  const Folding folding = keep_batch_norm(g);
  const Parameters copy = fold_parameters(folding, g, parameters);
  CHECK(folding.node_of == std::vector<NodeId>{0, 1, 2});
  CHECK(std::vector<float>(copy.flat().begin(), copy.flat().end()) ==
        std::vector<float>(parameters.flat().begin(), parameters.flat().end()));
}

TEST_CASE("values behind a ReLU, and what keeps their sign, are never negative") {
  Graph g("net");
  const NodeId x = g.add_input("input", {4, 4, 4});
  const NodeId norm = g.add("norm", BatchNorm{.features = 4}, {x});
  const NodeId relu = g.add("relu", Activation{}, {norm});
  const NodeId gate = g.add("gate", Activation{ActivationKind::hard_sigmoid}, {norm});
  const NodeId swish = g.add("swish", Activation{ActivationKind::hard_swish}, {norm});
  const NodeId product = g.add("product", Multiply{}, {relu, gate});
  const NodeId sum = g.add("sum", Add{}, {relu, product});
  const NodeId mixed = g.add("mixed", Add{}, {relu, norm});
  const NodeId pool = g.add("pool", GlobalAveragePool{}, {sum});
  const NodeId shifted = g.add("shifted", BatchNorm{.features = 4}, {pool});
  for (const NodeId id : {relu, gate, product, sum, pool}) CHECK(is_never_negative(g, id));
  for (const NodeId id : {x, norm, swish, mixed, shifted}) CHECK_FALSE(is_never_negative(g, id));
}

TEST_CASE("a ReLU is fused where it is the only user, and only a plain ReLU") {
  Graph g("net");
  const NodeId x = g.add_input("input", {2, 4, 4});
  const auto conv = [&](const char* name) {
    Convolution c = convolution(2, 1, 1);
    c.in_channels = 2;
    return g.add(name, c, {x});
  };
  const NodeId alone = conv("alone");
  const NodeId shared = conv("shared");
  const NodeId capped = conv("capped");
  const NodeId a = g.add("relu_a", Activation{}, {alone});
  const NodeId b = g.add("relu_b", Activation{}, {shared});
  g.add("relu_c", Activation{ActivationKind::relu6}, {capped});
  const NodeId sum = g.add("sum", Add{}, {shared, a});
  const NodeId joined = g.add("joined", Add{}, {sum, b});
  const auto fused = fused_relu(g);
  CHECK(fused[static_cast<std::size_t>(alone)]);
  CHECK_FALSE(fused[static_cast<std::size_t>(shared)]);
  CHECK_FALSE(fused[static_cast<std::size_t>(capped)]);
  CHECK_FALSE(fused[static_cast<std::size_t>(joined)]);
}
