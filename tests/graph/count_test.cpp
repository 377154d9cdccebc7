#include "graph/count.h"

#include <catch2/catch_test_macros.hpp>

#include "blocks.h"
#include "core/error.h"

using namespace bitsweep;
using namespace bitsweep::graph;
using namespace bitsweep::graph::testing;

namespace {

// conv a (3→4, 3x3) → ReLU → conv b (4→2, 1x1) → sum with itself → conv c (2→2, 1x1).
struct Chain {
  Graph g{"chain"};
  NodeId a, relu, b, add, c;
  Chain() {
    const NodeId x = g.add_input("input", {3, 8, 8});
    Convolution conv = convolution(4, 3, 3, 1, Padding::all(1));
    conv.in_channels = 3;
    a = g.add("a", conv, {x});
    relu = g.add("relu", Activation{}, {a});
    conv = convolution(2, 1, 1);
    conv.in_channels = 4;
    b = g.add("b", conv, {relu});
    add = g.add("add", Add{}, {b, b});
    conv.in_channels = 2;
    c = g.add("c", conv, {add});
  }
  BitTable table() const { return BitTable(g.nodes().size()); }
  static const LayerCount& layer(const Counts& counts, NodeId node) {
    for (const LayerCount& layer : counts.layers) {
      if (layer.node == node) return layer;
    }
    throw InternalError("no such layer");
  }
};

NodeBits& at(BitTable& table, NodeId node) { return table[static_cast<std::size_t>(node)]; }

}  // namespace

TEST_CASE("operations count weights once for each output position, by group") {
  Graph g("net");
  const NodeId x = g.add_input("input", {8, 10, 10});
  Convolution conv = convolution(16, 3, 3, 2, Padding::all(1));
  conv.in_channels = 8;
  conv.groups = 4;
  conv.bias = true;
  g.add("conv", conv, {x});
  const auto total = count(g).total;
  CHECK(total.parameters == 16 * 2 * 9 + 16);
  CHECK(total.weights == 16 * 2 * 9);
  CHECK(total.macs == 16 * 25 * 2 * 9);
  CHECK(total.madds_published == total.macs);
}

TEST_CASE("the published rule adds batch norms and pooling modules, but nothing functional") {
  const auto extra = [](Attributes attributes) {
    Graph g("net");
    const NodeId x = g.add_input("input", {4, 6, 6});
    g.add("node", std::move(attributes), {x});
    return count(g).total.madds_published;
  };
  CHECK(extra(BatchNorm{.features = 4}) == 2 * 4 * 36);
  CHECK(extra(GlobalAveragePool{PoolStyle::adaptive_module}) == 37 * 4);
  CHECK(extra(GlobalAveragePool{PoolStyle::module}) == 4);
  CHECK(extra(GlobalAveragePool{PoolStyle::functional}) == 0);
  Pool pool;
  pool.kernel = pool.stride = {2, 2};
  CHECK(extra(pool) == 0);
  pool.kind = PoolKind::average;
  CHECK(extra(pool) == 4 * 9);
  pool.style = PoolStyle::adaptive_module;
  CHECK(extra(pool) == (4 + 1) * 4 * 9);
  pool.style = PoolStyle::functional;
  CHECK(extra(pool) == 0);
  CHECK(extra(Activation{}) == 0);
}

TEST_CASE("an unquantized network counts 32 bits everywhere") {
  const Chain chain;
  const Counts counts = count(chain.g);
  const LayerCount& a = Chain::layer(counts, chain.a);
  CHECK(a.bops == a.macs * 32 * 32);
  CHECK(a.bytes == a.weights * 4);
  CHECK(counts.total.weight_bits_average == 32);
  CHECK(counts.total.activation_bits_average == 32);
  CHECK(counts.total.bytes() == (4 * 27 + 8 + 4) * 4);
}

TEST_CASE("bit operations take the width of what a layer reads, through a ReLU but not a sum") {
  const Chain chain;
  BitTable table = chain.table();
  for (const NodeId node : {chain.a, chain.b, chain.c}) at(table, node).weight = {4};
  at(table, chain.a).output = {6};
  at(table, chain.b).output = {5};
  const Counts counts = count(chain.g, table);
  const auto& a = Chain::layer(counts, chain.a);
  const auto& b = Chain::layer(counts, chain.b);
  const auto& c = Chain::layer(counts, chain.c);
  CHECK(a.activation_bits == 32);  // the network's input
  CHECK(a.output_bits == 6);
  CHECK(b.activation_bits == 6);
  CHECK(c.activation_bits == 32);
  CHECK(b.bops == b.macs * 4 * 6);
  CHECK(counts.total.bops == a.macs * 4 * 32 + b.macs * 4 * 6 + c.macs * 4 * 32);
}

TEST_CASE("a quantizer on an edge is seen by its reader alone") {
  const Chain chain;
  BitTable table = chain.table();
  at(table, chain.c).edges = {{0, {3}}};
  const Counts counts = count(chain.g, table);
  CHECK(Chain::layer(counts, chain.c).activation_bits == 3);
  CHECK(Chain::layer(counts, chain.b).activation_bits == 32);
  CHECK(counts.total.activation_bits_average == 3);
}

TEST_CASE("a concatenation is as wide as its widest input") {
  Graph g("net");
  const NodeId x = g.add_input("input", {2, 4, 4});
  const NodeId l = g.add("l", Activation{}, {x});
  const NodeId r = g.add("r", Activation{}, {x});
  const NodeId both = g.add("concat", Concat{}, {l, r});
  Convolution conv = convolution(1, 1, 1);
  conv.in_channels = 4;
  g.add("conv", conv, {both});
  BitTable table(g.nodes().size());
  at(table, l).output = {4};
  at(table, r).output = {7};
  CHECK(count(g, table).layers[0].activation_bits == 7);
}

TEST_CASE("bytes round up once over the network, and scales take four each") {
  const Chain chain;  // 108, 8 and 4 weights
  BitTable table = chain.table();
  at(table, chain.a).weight = {3};
  at(table, chain.a).weight_scales = 4;
  at(table, chain.b).weight = {3};
  at(table, chain.b).weight_scales = 1;
  at(table, chain.c).weight = {3};
  const Counts counts = count(chain.g, table);
  CHECK(Chain::layer(counts, chain.c).bytes == 2);        // 12 bits
  CHECK(Chain::layer(counts, chain.a).bytes == 41 + 16);  // 324 bits, 4 scales
  CHECK(counts.total.weight_bytes == 45);                 // 360 bits
  CHECK(counts.total.scale_bytes == 20);
  CHECK(counts.total.bytes() == 65);
}

TEST_CASE("widths for each channel count with their channel's share") {
  const Chain chain;
  BitTable table = chain.table();
  at(table, chain.a).weight = {0, 4, 8, 8};
  at(table, chain.a).output = {2, 2, 2, 4};
  const Counts counts = count(chain.g, table);
  const auto& a = Chain::layer(counts, chain.a);
  CHECK(a.weight_bits == 5);
  CHECK(a.bytes == 20 * 27 / 8 + 1);  // 540 bits
  CHECK(Chain::layer(counts, chain.b).activation_bits == 2.5);
  CHECK(counts.total.activation_bits_average == 2.5);
}

TEST_CASE("averages weigh by elements and count places left in full precision") {
  const Chain chain;
  BitTable table = chain.table();
  at(table, chain.a).output = {4};   // 256 elements
  at(table, chain.c).output = {32};  // 128 elements
  at(table, chain.a).weight = {8};   // 108 of 120 weights
  const auto total = count(chain.g, table).total;
  CHECK(total.activation_bits_average == (256.0 * 4 + 128 * 32) / 384);
  CHECK(total.weight_bits_average == (108.0 * 8 + 12 * 32) / 120);
}

TEST_CASE("a table of another network's length is refused") {
  const Chain chain;
  CHECK_THROWS_AS(count(chain.g, BitTable(3)), InternalError);
}
