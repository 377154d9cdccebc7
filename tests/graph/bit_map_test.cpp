#include "graph/bit_map.h"

#include <catch2/catch_test_macros.hpp>

#include "core/error.h"
#include "graph/graph.h"
#include "graph/passes.h"

using namespace bitsweep;
using namespace bitsweep::graph;

namespace {

Graph conv_norm() {
  Graph g("net");
  auto x = g.add_input("input", {3, 8, 8});
  x = g.add("conv", Convolution{.in_channels = 3, .out_channels = 4}, {x});
  x = g.add("bn", BatchNorm{.features = 4}, {x});
  g.add("relu", Activation{}, {x});
  return g;
}

BitMap entries() {
  BitMap bits;
  bits.weight_entries = {{"all"}};
  bits.output_entries = {{"all"}};
  bits.weights = {{1, 0}};
  bits.outputs = {{2, 0, Spot::outside}};
  return bits;
}

}  // namespace

TEST_CASE("a bit map without a layer, or with entries that do not exist, is a mistake") {
  Graph g = conv_norm();
  BitMap none = entries();
  none.weights.clear();
  CHECK_THROWS_AS(g.set_bit_map(none), InternalError);
  BitMap beyond = entries();
  beyond.outputs[0].entry = 1;
  CHECK_THROWS_AS(g.set_bit_map(beyond), InternalError);
  BitMap no_width = entries();
  no_width.weight_entries.push_back({"other", std::nullopt, false});
  CHECK_THROWS_AS(g.set_bit_map(no_width), InternalError);
  CHECK_NOTHROW(g.set_bit_map(entries()));
}

TEST_CASE("a bit map survives folding, where a batch norm's place becomes its layer's") {
  Graph g = conv_norm();
  g.set_bit_map(entries());
  CHECK(keep_batch_norm(g).graph.bit_map().outputs[0].node == 2);
  const Graph folded = fold_batch_norm(g).graph;
  CHECK(folded.bit_map().outputs[0].node == folded.find("conv"));
  CHECK(folded.bit_map().outputs[0].spot == Spot::outside);
}

TEST_CASE("the default bit map leaves the logits, maxima and the input out") {
  Graph g("net");
  auto x = g.add_input("input", {3, 8, 8});
  x = g.add("relu0", Activation{}, {x});  // before any layer: no entry could address it
  x = g.add("conv", Convolution{.in_channels = 3, .out_channels = 4}, {x});
  x = g.add("max", Pool{.kind = PoolKind::max, .kernel = {2, 2}, .stride = {2, 2}}, {x});
  x = g.add("mean", Pool{.kind = PoolKind::average, .kernel = {2, 2}, .stride = {2, 2}}, {x});
  g.add("last", GlobalAveragePool{}, {x});
  const BitMap bits = g.bit_map();
  REQUIRE(bits.outputs.size() == 1);
  CHECK(g.node(bits.outputs[0].node).name == "mean");
  CHECK(bits.outputs[0].spot == Spot::pool);
}
