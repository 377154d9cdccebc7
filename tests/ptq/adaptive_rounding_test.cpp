#include "ptq/adaptive_rounding.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>

#include "kernels/philox_math.h"

namespace bitsweep::ptq {
namespace {

constexpr float kStep = 0.1f;

// Codes −8 … 7: steps as small as those of networks, whose scale λ presumes.
Quantizer tenths() {
  Quantizer out;
  out.bits = {4};
  out.grids = {kernels::AffineGrid{kStep, 0.0f, -8, 7, 0.0f}};
  return out;
}

float draw(std::uint64_t seed, std::uint64_t index) {
  const kernels::RandomStream random{seed, 7, 0};
  return 2 * kernels::uniform01(kernels::random_bits(random, index)) - 1;
}

// Inputs that move together, so that errors of one weight can be made up for by another.
RoundingProblem correlated(std::uint64_t seed, const Quantizer& quantizer, bool relu,
                           std::int64_t groups) {
  RoundingProblem out;
  out.groups = groups;
  out.outputs = 3;
  out.inputs = 6;
  out.samples = 300;
  out.relu = relu;
  out.quantizer = &quantizer;
  std::uint64_t next = 0;
  const std::int64_t weights = groups * out.outputs * out.inputs;
  for (std::int64_t i = 0; i < weights; ++i) out.weight.push_back(3 * kStep * draw(seed, next++));
  out.bias.assign(static_cast<std::size_t>(groups * out.outputs), 0.25f);
  for (std::int64_t g = 0; g < groups; ++g) {
    for (std::int64_t s = 0; s < out.samples; ++s) {
      const float common = draw(seed, next++);
      const std::size_t first = out.x.size();
      for (std::int64_t k = 0; k < out.inputs; ++k) {
        out.x.push_back(common + 0.2f * draw(seed, next++));
      }
      for (std::int64_t o = 0; o < out.outputs; ++o) {
        float sum = 0.25f;
        for (std::int64_t k = 0; k < out.inputs; ++k) {
          sum += out.weight[static_cast<std::size_t>((g * out.outputs + o) * out.inputs + k)] *
                 out.x[first + static_cast<std::size_t>(k)];
        }
        out.target.push_back(sum);
      }
    }
  }
  return out;
}

TEST_CASE("adaptive rounding finds that two halves are best rounded apart") {
  const Quantizer quantizer = tenths();
  RoundingProblem problem;
  problem.outputs = 1;
  problem.inputs = 2;
  problem.samples = 64;
  problem.bias = {0};
  problem.weight = {0.045f, 0.035f};  // nearest: 0 + 0; 0.1 + 0 is nearer to 0.08
  problem.quantizer = &quantizer;
  for (int s = 0; s < 64; ++s) {
    const float x = static_cast<float>(s % 5) - 2;
    problem.x.insert(problem.x.end(), {x, x});
    problem.target.push_back(0.08f * x);
  }
  const AdaptedRounding found = adapt_rounding(problem, {});
  CHECK(found.values[0] + found.values[1] == kStep);
  CHECK(found.adapted_error < found.nearest_error);
}

TEST_CASE("adaptive rounding never reconstructs worse than rounding to nearest") {
  const auto seed = GENERATE(std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3});
  const bool relu = GENERATE(false, true);
  const std::int64_t groups = GENERATE(std::int64_t{1}, std::int64_t{2});
  const Quantizer quantizer = tenths();
  const RoundingProblem problem = correlated(seed, quantizer, relu, groups);
  const AdaptedRounding none = adapt_rounding(problem, {.steps = 1});
  const AdaptedRounding found = adapt_rounding(problem, {.steps = 500});
  CHECK(none.adapted_error <= none.nearest_error);
  CHECK(found.adapted_error < found.nearest_error);
  for (std::size_t i = 0; i < found.values.size(); ++i) {
    const float code = found.values[i] / kStep;
    CHECK(std::abs(code - std::round(code)) < 1e-3f);
    CHECK(std::abs(found.values[i] - problem.weight[i]) < kStep);
  }
}

TEST_CASE("adaptive rounding is a function of its seed and stream") {
  const Quantizer quantizer = tenths();
  const RoundingProblem problem = correlated(4, quantizer, true, 1);
  const AdaptedRounding once = adapt_rounding(problem, {.steps = 200, .seed = 5, .stream = 1});
  const AdaptedRounding again = adapt_rounding(problem, {.steps = 200, .seed = 5, .stream = 1});
  CHECK(once.values == again.values);
}

TEST_CASE("weights beyond the grid stay at its ends, and a grid without codes changes nothing") {
  Quantizer quantizer = tenths();
  RoundingProblem problem = correlated(6, quantizer, false, 1);
  problem.weight[0] = 2;
  problem.weight[1] = -2;
  const AdaptedRounding found = adapt_rounding(problem, {.steps = 50});
  CHECK(found.values[0] == 7 * kStep);
  CHECK(found.values[1] == -8 * kStep);
  quantizer.grids.front().scale = 0;
  CHECK(adapt_rounding(problem, {.steps = 5}).values == problem.weight);
}

}  // namespace
}  // namespace bitsweep::ptq
