#include "quant/sites.h"

#include <catch2/catch_test_macros.hpp>

using namespace bitsweep;
using namespace bitsweep::quant;

namespace {

graph::Graph one_convolution() {
  graph::Graph g("net");
  const auto x = g.add_input("input", {4, 8, 8});
  g.add("conv", graph::Convolution{.in_channels = 4, .out_channels = 6}, {x});
  return g;
}

QuantizerSite site(Place place, Role role, int bits,
                   config::Granularity granularity = config::Granularity::tensor) {
  QuantizerSite out;
  out.place = place;
  out.node = 1;
  out.role = role;
  out.bits = bits;
  out.granularity = granularity;
  return out;
}

}  // namespace

TEST_CASE("a convolution holds the six quantized roles of document 000, each with its own width") {
  SitePlan plan;
  plan.sites = {site(Place::weight, Role::forward, 4, config::Granularity::channel),
                site(Place::weight, Role::backward, 5, config::Granularity::channel),
                site(Place::edge, Role::forward, 6),
                site(Place::edge, Role::backward, 7),
                site(Place::gradient, Role::grad_input, 8),
                site(Place::gradient, Role::grad_weight, 3)};
  CHECK(plan.find(Place::weight, 1)->bits == 4);
  CHECK(plan.find(Place::weight, 1, Role::backward)->bits == 5);
  CHECK(plan.find(Place::edge, 1)->bits == 6);
  CHECK(plan.find(Place::edge, 1, Role::backward)->bits == 7);
  CHECK(plan.find(Place::gradient, 1, Role::grad_input)->bits == 8);
  CHECK(plan.find(Place::gradient, 1, Role::grad_weight)->bits == 3);
  CHECK(plan.find(Place::gradient, 1) == nullptr);
  CHECK(plan.find(Place::output, 1) == nullptr);

  // Inference stores and reads the forward operands alone.
  const graph::Graph g = one_convolution();
  const auto counts = graph::count(g, bit_table(g, plan));
  CHECK(counts.layers[0].bops == counts.layers[0].macs * 4 * 6);
  CHECK(counts.total.weight_bytes == 24 * 4 / 8);
  CHECK(counts.total.scale_bytes == 6 * 4);
}

TEST_CASE("an output left in full precision counts 32 bits, one without a place does not count") {
  const graph::Graph g = one_convolution();
  SitePlan plan;
  CHECK(graph::count(g, bit_table(g, plan)).total.activation_bits_average == 32);
  plan.sites = {site(Place::output, Role::forward, 8)};
  CHECK(graph::count(g, bit_table(g, plan)).total.activation_bits_average == 8);
  plan.unquantized_outputs = {0};  // 4x8x8 of 32 bits beside 6x8x8 of 8
  CHECK(graph::count(g, bit_table(g, plan)).total.activation_bits_average ==
        (4 * 32 + 6 * 8) / 10.0);
}
