#include "train/initialize.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>

#include "kernels/philox_math.h"
#include "models/model.h"

using namespace bitsweep;
using namespace bitsweep::train;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

struct Sample {
  double mean = 0;
  double deviation = 0;
  double largest = 0;  // magnitude
  double share_within_one = 0;
};

Sample describe(std::span<const float> values) {
  Sample out;
  const auto n = static_cast<double>(values.size());
  for (const float v : values) out.mean += v / n;
  for (const float v : values) {
    out.deviation += (v - out.mean) * (v - out.mean) / n;
    out.largest = std::max(out.largest, std::abs(static_cast<double>(v)));
  }
  out.deviation = std::sqrt(out.deviation);
  for (const float v : values) out.share_within_one += std::abs(v) < out.deviation ? 1 / n : 0;
  return out;
}

// A convolution of 64 → 128 channels and 3 × 3 in two groups, and a classifier of 128 → 100.
graph::Graph layers() {
  graph::Graph g("layers");
  auto x = g.add_input("input", {64, 4, 4});
  x = g.add("conv",
            graph::Convolution{.in_channels = 64,
                               .out_channels = 128,
                               .kernel = {3, 3},
                               .padding = graph::Padding::all(1),
                               .groups = 2,
                               .bias = true},
            {x});
  x = g.add("bn", graph::BatchNorm{.features = 128}, {x});
  x = g.add("pool", graph::GlobalAveragePool{}, {x});
  g.add("fc", graph::Linear{.in_features = 128, .out_features = 100}, {x});
  return g;
}
constexpr double kFanIn = 32 * 9;    // of the convolution
constexpr double kFanOut = 128 * 9;  // PyTorch does not divide it by the groups

graph::Parameters drawn(const models::Initialization& rules, std::uint64_t seed = 1) {
  const graph::Graph g = layers();
  graph::Parameters out(g);
  initialize(g, rules, seed, out);
  return out;
}

models::Initialization convolutions(models::WeightRule rule) {
  return {.convolution = {.weight = rule}, .linear = {}};
}

graph::Parameters network(const std::string& name, const std::string& shortcut = "") {
  config::ModelConfig config;
  config.name = name;
  config.shortcut = shortcut;
  const graph::Graph g = models::build_model(config, 10);
  graph::Parameters out(g);
  initialize(g, models::initialization(config), 1, out);
  return out;
}

}  // namespace

// The convolution has 36,864 weights: the standard error of a deviation is 0.4 % of it, of a mean
// 0.5 % of the deviation. Tolerances are five of these.
TEST_CASE("normal weights have the deviation of their rule") {
  const auto check = [](models::WeightRule rule, double deviation) {
    const graph::Parameters parameters = drawn(convolutions(rule));
    const Sample s = describe(parameters.values("conv.weight"));
    CHECK_THAT(s.mean, WithinAbs(0, 0.026 * deviation));
    CHECK_THAT(s.deviation, WithinRel(deviation, 0.02));
    CHECK_THAT(s.share_within_one, WithinAbs(0.6827, 0.012));
    CHECK(s.largest > 3.5 * deviation);
    CHECK(s.largest < 6.5 * deviation);  // √(2 ln 2^32) = 6.66 is the largest that exists
  };
  check(models::WeightRule::kaiming_normal_fan_in, std::sqrt(2 / kFanIn));
  check(models::WeightRule::kaiming_normal_fan_out, std::sqrt(2 / kFanOut));
}

TEST_CASE("uniform weights fill their bounds and stay within") {
  const auto check = [](models::WeightRule rule, double bound) {
    const graph::Parameters parameters = drawn(convolutions(rule));
    const Sample s = describe(parameters.values("conv.weight"));
    CHECK_THAT(s.mean, WithinAbs(0, 0.026 * bound));
    CHECK_THAT(s.deviation, WithinRel(bound / std::sqrt(3), 0.02));
    CHECK_THAT(s.share_within_one, WithinAbs(1 / std::sqrt(3), 0.012));
    CHECK(s.largest <= bound);
    CHECK(s.largest > 0.999 * bound);
  };
  check(models::WeightRule::kaiming_uniform, std::sqrt(6 / kFanIn));
  check(models::WeightRule::torch_default, 1 / std::sqrt(kFanIn));
}

TEST_CASE("biases and batch norms begin where they should") {
  const graph::Parameters parameters = drawn({});
  CHECK(describe(parameters.values("conv.bias")).largest <= 1 / std::sqrt(kFanIn));
  CHECK(describe(parameters.values("conv.bias")).largest > 0.9 / std::sqrt(kFanIn));
  CHECK(describe(parameters.values("fc.bias")).largest > 0.9 / std::sqrt(128));
  const auto all = [&](const char* name, float value) {
    return std::ranges::all_of(parameters.values(name), [&](float v) { return v == value; });
  };
  CHECK(all("bn.weight", 1));
  CHECK(all("bn.bias", 0));
  CHECK(all("bn.running_mean", 0));
  CHECK(all("bn.running_var", 1));
  const graph::Parameters zeroed = drawn({.convolution = {.bias = models::BiasRule::zero}});
  CHECK(std::ranges::all_of(zeroed.values("conv.bias"), [](float v) { return v == 0; }));
}

TEST_CASE("the seed decides every value, and each tensor has draws of its own") {
  const models::Initialization rules;
  const graph::Parameters one = drawn(rules, 7);
  CHECK(std::ranges::equal(one.flat(), drawn(rules, 7).flat()));
  CHECK_FALSE(std::ranges::equal(one.flat(), drawn(rules, 8).flat()));
  const auto weight = one.values("conv.weight");
  const auto bias = one.values("conv.bias");  // same bound, so equal draws would be equal values
  CHECK_FALSE(std::ranges::equal(bias, weight.first(bias.size())));
}

TEST_CASE("the first values of seed 1 are those of every machine") {
  // Philox draws 0 and 1 of (seed 1, stream 5, step 0), put into the formulas of initialize.h by
  // hand in float64.
  const kernels::RandomStream random{.seed = 1, .stream = 5, .step = 0};
  const double a = kernels::random_bits(random, 0), b = kernels::random_bits(random, 1);
  const graph::Parameters normal = drawn(convolutions(models::WeightRule::kaiming_normal_fan_in));
  CHECK_THAT(normal.values("conv.weight")[0],
             WithinRel(static_cast<float>(std::sqrt(2 / kFanIn) *
                                          std::sqrt(-2 * std::log((a + 1) / 4294967296.0)) *
                                          std::cos(2 * M_PI * b / 4294967296.0)),
                       1e-6F));
  const graph::Parameters uniform = drawn(convolutions(models::WeightRule::torch_default));
  CHECK_THAT(
      uniform.values("conv.weight")[1],
      WithinRel(static_cast<float>((2 * (b + 0.5) / 4294967296.0 - 1) / std::sqrt(kFanIn)), 1e-6F));
}

TEST_CASE("networks begin as their sources say") {
  // Tolerances as above for the sizes at hand: header.conv 32,768, fc 5,120 and 640 weights.
  const graph::Parameters toynet = network("toynet");
  CHECK_THAT(describe(toynet.values("header.conv.weight")).deviation,
             WithinRel(std::sqrt(2.0 / 512), 0.02));
  CHECK_THAT(describe(toynet.values("fc.weight")).deviation, WithinRel(0.001, 0.05));
  CHECK(std::ranges::all_of(toynet.values("fc.bias"), [](float v) { return v == 0; }));

  const graph::Parameters a = network("resnet20", "A");
  CHECK_THAT(describe(a.values("layer3.2.conv2.weight")).deviation,
             WithinRel(std::sqrt(2.0 / 576), 0.02));
  CHECK_THAT(describe(a.values("linear.weight")).deviation, WithinRel(std::sqrt(2.0 / 64), 0.14));
  CHECK(describe(a.values("linear.weight")).largest > 2 * std::sqrt(2.0 / 64));  // not uniform
  CHECK(describe(a.values("linear.bias")).largest <= 1.0 / 8);

  const graph::Parameters b = network("resnet20", "B");
  const Sample conv = describe(b.values("features.stage3.unit3.conv2.weight"));
  CHECK(conv.largest <= std::sqrt(6.0 / 576));
  CHECK(conv.largest > 0.999 * std::sqrt(6.0 / 576));
  CHECK(describe(b.values("output.weight")).largest <= 1.0 / 8);
  CHECK(describe(b.values("output.weight")).largest > 0.98 / 8);
}
