#include "kernels/optimizer.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>

#include "cases.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;
using Catch::Matchers::WithinRel;

namespace {

// The values after each step, of one parameter under the same gradient every time.
std::vector<float> sgd_path(float p, float g, int steps, const SgdOptions& options, float lr) {
  std::vector<float> out;
  float m = 0.0f;
  for (int i = 0; i < steps; ++i) {
    sgd_step_cpu(&p, &m, &g, 1, options, &lr);
    out.push_back(p);
  }
  return out;
}

}  // namespace

TEST_CASE("sgd follows a table made by hand", "[kernels][optimizer]") {
  // Powers of two, so that every value is exact.
  SECTION("plain: p -= lr g") {
    CHECK(sgd_path(1, 2, 2, {}, 0.25f) == std::vector<float>{0.5f, 0.0f});
  }
  SECTION("momentum 0.5: m = 2, 3, 3.5") {
    CHECK(sgd_path(1, 2, 3, {.momentum = 0.5f}, 0.25f) ==
          std::vector<float>{0.5f, -0.25f, -1.125f});
  }
  SECTION("nesterov 0.5: d + m/2 = 3, 3.5, 3.75") {
    CHECK(sgd_path(1, 2, 3, {.momentum = 0.5f, .nesterov = true}, 0.25f) ==
          std::vector<float>{0.25f, -0.625f, -1.5625f});
  }
  SECTION("decay 0.5: d = 2 + p/2 = 2.5, then 2.1875") {
    CHECK(sgd_path(1, 2, 2, {.weight_decay = 0.5f}, 0.25f) ==
          std::vector<float>{0.375f, -0.171875f});
  }
}

TEST_CASE("adam's first step is lr against the gradient's sign, whatever its size",
          "[kernels][optimizer]") {
  for (const float g : {1e-3f, -1.0f, 700.0f}) {
    float p = 1.0f, m = 0.0f, v = 0.0f;
    const float lr = 0.01f;
    const std::int64_t step = 1;
    adam_step_cpu(&p, &m, &v, &g, 1, {}, &lr, &step);
    CHECK_THAT(p, WithinRel(1.0f - std::copysign(0.01f, g), 2e-6f));
    CHECK_THAT(m, WithinRel(0.1f * g, 1e-6f));
    CHECK_THAT(v, WithinRel(0.001f * g * g, 1e-6f));
  }
}

TEST_CASE("adam with halves follows a table made by hand", "[kernels][optimizer]") {
  // β1 = β2 = 1/2, ε = 0, gradients 4 then 2.
  // Step 1: m = 2, v = 8, corrected 4 and 16: p = 1 − 1/4 · 4/4.
  // Step 2: m = 2, v = 6, corrected 8/3 and 8: p = 3/4 − 1/4 · (8/3)/√8.
  float p = 1.0f, m = 0.0f, v = 0.0f;
  const float lr = 0.25f;
  const AdamOptions halves{.beta1 = 0.5, .beta2 = 0.5, .epsilon = 0.0};
  const float gradients[] = {4.0f, 2.0f};
  const std::int64_t steps[] = {1, 2};
  adam_step_cpu(&p, &m, &v, &gradients[0], 1, halves, &lr, &steps[0]);
  CHECK(m == 2.0f);
  CHECK(v == 8.0f);
  CHECK_THAT(p, WithinRel(0.75f, 2e-7f));
  adam_step_cpu(&p, &m, &v, &gradients[1], 1, halves, &lr, &steps[1]);
  CHECK(m == 2.0f);
  CHECK(v == 6.0f);
  CHECK_THAT(p, WithinRel(0.75f - 0.25f * (8.0f / 3.0f) / std::sqrt(8.0f), 1e-6f));
}

TEST_CASE("five steps of sgd and adam equal a float64 reference", "[kernels][optimizer]") {
  // The textbook formulas in float64 on the float32 inputs. Tolerance: a few float32 roundings a
  // step (2^-24 each), relative to values of size 1.
  const bool nesterov = GENERATE(false, true);
  const SgdOptions sgd{.momentum = 0.9f, .weight_decay = 5e-4f, .nesterov = nesterov};
  const AdamOptions adam{.weight_decay = 5e-4};
  constexpr std::size_t kCount = 257;
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> sgd_p(kCount);
  for (float& value : sgd_p) value = normal(random);
  std::vector<float> adam_p = sgd_p, sgd_m(kCount), adam_m(kCount), adam_v(kCount);
  std::vector<double> sgd_rp(sgd_p.begin(), sgd_p.end()), adam_rp = sgd_rp, sgd_rm(kCount),
                                                          adam_rm(kCount), adam_rv(kCount);
  const float lr = 0.01f;
  for (std::int64_t step = 1; step <= 5; ++step) {
    std::vector<float> g(kCount);
    for (float& value : g) value = normal(random);
    sgd_step_cpu(sgd_p.data(), sgd_m.data(), g.data(), kCount, sgd, &lr);
    adam_step_cpu(adam_p.data(), adam_m.data(), adam_v.data(), g.data(), kCount, adam, &lr, &step);
    for (std::size_t i = 0; i < kCount; ++i) {
      const double sgd_d = g[i] + 5e-4 * sgd_rp[i];
      sgd_rm[i] = 0.9 * sgd_rm[i] + sgd_d;
      sgd_rp[i] -= 0.01 * (nesterov ? sgd_d + 0.9 * sgd_rm[i] : sgd_rm[i]);
      const double adam_d = g[i] + 5e-4 * adam_rp[i];
      adam_rm[i] = 0.9 * adam_rm[i] + 0.1 * adam_d;
      adam_rv[i] = 0.999 * adam_rv[i] + 0.001 * adam_d * adam_d;
      const double corrected_m = adam_rm[i] / (1.0 - std::pow(0.9, step));
      const double corrected_v = adam_rv[i] / (1.0 - std::pow(0.999, step));
      adam_rp[i] -= 0.01 * corrected_m / (std::sqrt(corrected_v) + 1e-8);
    }
  }
  for (std::size_t i = 0; i < kCount; ++i) {
    CAPTURE(i);
    CHECK(std::abs(sgd_p[i] - sgd_rp[i]) < 1e-6);
    CHECK(std::abs(adam_p[i] - adam_rp[i]) < 1e-6);
  }
}

TEST_CASE("a whole power equals the library's to float64 rounding", "[kernels][optimizer]") {
  CHECK(whole_power(0.5, 0) == 1.0);
  CHECK(whole_power(0.5, 10) == 0x1p-10);
  for (const double base : {0.9, 0.999})
    for (const int n : {1, 2, 3, 7, 100, 1000})
      CHECK_THAT(whole_power(base, n), WithinRel(std::pow(base, n), 1e-13));
}

TEST_CASE("an optimizer step passes on what is not finite", "[kernels][optimizer]") {
  for (const float odd : {kNan, kInf}) {
    float p = 1.0f, m = 0.0f, v = 0.0f;
    const float lr = 0.1f;
    const std::int64_t step = 1;
    sgd_step_cpu(&p, &m, &odd, 1, {}, &lr);
    CHECK_FALSE(std::isfinite(p));
    p = 1.0f, m = 0.0f;
    adam_step_cpu(&p, &m, &v, &odd, 1, {}, &lr, &step);
    CHECK_FALSE(std::isfinite(p));
  }
}
