#include "kernels/gradient_quantizer.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <stdexcept>

#include "cases.h"
#include "kernels/min_max.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;
using Catch::Matchers::WithinAbs;

namespace {

std::vector<float> quantize(const std::vector<float>& g, const std::vector<float>& noise,
                            const ChannelLayout& layout, const GradientQuantizer& quantizer) {
  std::vector<MinMax> extremes(static_cast<std::size_t>(layout.channels));
  min_max_cpu(g.data(), layout, extremes.data());
  std::vector<float> g_q = g;  // in place
  quantize_gradients_cpu(g_q.data(), g_q.data(), noise.data(), layout, extremes.data(), quantizer);
  return g_q;
}

}  // namespace

TEST_CASE("gradients come out on the grid of their sample", "[kernels][gradients]") {
  // 2 bits, m = 3: steps of 2 from −3 to 3. A second sample with m = 0.3.
  const std::vector<float> g{-3.0f, -0.5f, 0.9f, 2.5f, 0.3f, 0.0f, -0.15f, 0.05f};
  const std::vector<float> none(8, 0.0f);
  const auto g_q = quantize(g, none, {1, 2, 4}, {2, true});
  const std::vector<double> expected{-3, -1, 1, 3, 0.3, 0.1, -0.1, 0.1};
  for (std::size_t i = 0; i < g.size(); ++i) CHECK_THAT(g_q[i], WithinAbs(expected[i], 1e-7));
}

TEST_CASE("noise moves a gradient by up to half a step, beyond the range only unclipped",
          "[kernels][gradients]") {
  const std::vector<float> g{3.0f, 1.0f, -3.0f}, noise{0.5f, 0.5f, -0.5f};
  // In steps 3 + ½, 2 + ½, 0 − ½: the ties go to the even codes 4, 2 and 0.
  CHECK(quantize(g, noise, whole_tensor(3), {2, false}) == std::vector{5.0f, 1.0f, -3.0f});
  CHECK(quantize(g, noise, whole_tensor(3), {2, true}) == std::vector{3.0f, 1.0f, -3.0f});
}

TEST_CASE("quantized gradients with random noise have the gradients' mean",
          "[kernels][gradients]") {
  constexpr std::int64_t kDraws = 40'000;
  std::vector<float> g(kDraws, 0.37f), g_q(g.size());
  g[0] = 3.0f;
  const MinMax extremes = min_max_cpu(g.data(), kDraws);
  quantize_gradients_cpu(g.data(), g_q.data(), RandomStream{1, 2, 3}, whole_tensor(kDraws),
                         &extremes, {2, true});
  double sum = 0.0;
  for (std::size_t i = 1; i < g_q.size(); ++i) {
    CHECK((g_q[i] == 1.0f || g_q[i] == -1.0f));
    sum += static_cast<double>(g_q[i]);
  }
  // Two values, 1 with probability 0.685: standard error 0.93 / 200.
  CHECK_THAT(sum / (kDraws - 1), WithinAbs(0.37, 5 * 0.93 / 200.0));
}

TEST_CASE("random noise is draw i of its stream", "[kernels][gradients]") {
  const ChannelLayout layout{1, 3, GENERATE(1, 7, 64, 65)};
  auto g = inputs(layout.size(), 0.1f, 6);
  for (float& v : g) v = std::isfinite(v) && std::fabs(v) < 10.0f ? v : 0.2f;
  const RandomStream random{9, 8, 7};
  std::vector<float> noise(g.size()), drawn(g.size());
  for (std::size_t i = 0; i < g.size(); ++i) noise[i] = gradient_noise(random, i);
  std::vector<MinMax> extremes(3);
  min_max_cpu(g.data(), layout, extremes.data());
  quantize_gradients_cpu(g.data(), drawn.data(), random, layout, extremes.data(), {4, true});
  CHECK(drawn == quantize(g, noise, layout, {4, true}));
}

TEST_CASE("a sample of zero gradients stays zero whatever the noise", "[kernels][gradients]") {
  CHECK(quantize({0.0f, 0.0f}, {0.5f, -0.5f}, whole_tensor(2), {8, true}) ==
        std::vector{0.0f, 0.0f});
}

TEST_CASE("gradients that are NaN stay NaN", "[kernels][gradients]") {
  const auto g_q = quantize({kNan, 1.0f}, {0.0f, 0.0f}, whole_tensor(2), {8, true});
  CHECK(std::isnan(g_q[0]));
  CHECK(g_q[1] == 1.0f);
}

TEST_CASE("quantized gradients are within a step of the gradients", "[kernels][gradients]") {
  const int bits = GENERATE(range(1, 17));
  for (const std::int64_t size : kSizes) {
    auto g = inputs(size, 0.1f, static_cast<unsigned>(size));
    for (float& v : g) v = std::fabs(v) < 10.0f ? v : 0.1f;
    const MinMax extremes = min_max_cpu(g.data(), size);
    std::vector<float> g_q(g.size());
    quantize_gradients_cpu(g.data(), g_q.data(), RandomStream{1, 2, 3}, whole_tensor(size),
                           &extremes, {bits, true});
    const double step = 2.0 * std::max(-extremes.min, extremes.max) / ((1 << bits) - 1);
    for (std::size_t i = 0; i < g.size(); ++i) CHECK_THAT(g_q[i], WithinAbs(g[i], step + 1e-6));
  }
  const float one = 1.0f;
  float out = 0.0f;
  const MinMax extremes{1.0f, 1.0f, 0};
  CHECK_THROWS_AS(quantize_gradients_cpu(&one, &out, &one, whole_tensor(1), &extremes, {0, true}),
                  std::invalid_argument);
}
