#include "quant/equalization.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>

#include "numerics_page.h"

namespace bitsweep::quant {
namespace {

using Catch::Matchers::WithinRel;

graph::Convolution conv(std::int64_t in, std::int64_t out, std::int64_t groups = 1) {
  graph::Convolution c;
  c.in_channels = in;
  c.out_channels = out;
  c.groups = groups;
  c.bias = true;
  return c;
}

graph::Graph chain(graph::ActivationKind kind) {
  graph::Graph g("chain");
  auto x = g.add_input("input", {1, 1, 1});
  x = g.add("a", conv(1, 2), {x});
  x = g.add("act", graph::Activation{kind}, {x});
  g.add("b", conv(2, 1), {x});
  return g;
}

TEST_CASE("a pair meets at the geometric mean of its ranges, biases included") {
  const graph::Graph g = chain(graph::ActivationKind::relu);
  graph::Parameters p(g);
  std::ranges::copy(std::vector<float>{8, 0.5f}, p.values("a.weight").begin());
  std::ranges::copy(std::vector<float>{4, -1}, p.values("a.bias").begin());
  std::ranges::copy(std::vector<float>{-2, 2}, p.values("b.weight").begin());
  equalize(g, p);
  // s = √(8·2)/2 = 2 and √(0.5·2)/2 = 0.5.
  CHECK(p.values("a.weight")[0] == 4);
  CHECK(p.values("a.weight")[1] == 1);
  CHECK(p.values("a.bias")[0] == 2);
  CHECK(p.values("a.bias")[1] == -2);
  CHECK(p.values("b.weight")[0] == -4);
  CHECK(p.values("b.weight")[1] == 1);
}

TEST_CASE("every equalized channel on the numerics page comes out as written") {
  const auto all = testing::examples("equalized row");
  CHECK(all.size() >= 3);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const auto cell = [&row = row](const char* heading) {
      return static_cast<float>(testing::number(row.at(heading)));
    };
    const graph::Graph g = chain(graph::ActivationKind::relu);
    graph::Parameters p(g);
    p.values("a.weight")[0] = cell("equalized row");
    p.values("a.bias")[0] = cell("bias");
    p.values("b.weight")[0] = cell("column");
    equalize(g, p);
    CHECK(p.values("a.weight")[0] == cell("row after"));
    CHECK(p.values("a.bias")[0] == cell("bias after"));
    CHECK(p.values("b.weight")[0] == cell("column after"));
  }
}

TEST_CASE("a channel without weights on either side stays as it is") {
  const graph::Graph g = chain(graph::ActivationKind::relu);
  graph::Parameters p(g);
  std::ranges::copy(std::vector<float>{0, 8}, p.values("a.weight").begin());
  std::ranges::copy(std::vector<float>{3, 0}, p.values("b.weight").begin());
  equalize(g, p);
  CHECK(p.values("a.weight")[1] == 8);
  CHECK(p.values("b.weight")[0] == 3);
}

TEST_CASE("no pair reaches across a ReLU6, a sum or a value with two readers") {
  CHECK(equalizable_pairs(chain(graph::ActivationKind::relu)).size() == 1);
  CHECK(equalizable_pairs(chain(graph::ActivationKind::relu6)).empty());
  CHECK(equalizable_pairs(chain(graph::ActivationKind::hard_swish)).empty());
  graph::Graph g("branch");
  auto x = g.add_input("input", {2, 1, 1});
  const auto a = g.add("a", conv(2, 2), {x});
  const auto b = g.add("b", conv(2, 2), {a});
  const auto sum = g.add("sum", graph::Add{}, {a, b});
  g.add("c", conv(2, 2), {sum});
  CHECK(equalizable_pairs(g).empty());
}

TEST_CASE("a depthwise convolution between two layers is equalized with both") {
  graph::Graph g("depthwise");
  auto x = g.add_input("input", {1, 1, 1});
  x = g.add("a", conv(1, 2), {x});
  x = g.add("r1", graph::Activation{graph::ActivationKind::relu}, {x});
  x = g.add("d", conv(2, 2, 2), {x});
  x = g.add("r2", graph::Activation{graph::ActivationKind::relu}, {x});
  g.add("b", conv(2, 1), {x});
  graph::Parameters p(g);
  std::ranges::copy(std::vector<float>{8, 1}, p.values("a.weight").begin());
  std::ranges::copy(std::vector<float>{1, 1}, p.values("d.weight").begin());
  std::ranges::copy(std::vector<float>{1, 27}, p.values("b.weight").begin());
  equalize(g, p);
  // Channel by channel all three end at the cube root of their product: 2 and 3.
  for (const char* layer : {"a", "d", "b"}) {
    const auto values = p.values(std::string(layer) + ".weight");
    CHECK_THAT(values[0], WithinRel(2.0f, 2e-3f));
    CHECK_THAT(values[1], WithinRel(3.0f, 2e-3f));
  }
}

}  // namespace
}  // namespace bitsweep::quant
