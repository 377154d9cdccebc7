#include "kernels/clamp_quantize.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <stdexcept>

#include "cases.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

struct Clamped {
  std::vector<float> y, grad_x;
  std::vector<std::int32_t> codes;
  double grad_alpha = 0.0;
};

// With an arriving gradient of i + 1.
Clamped clamp(const std::vector<float>& x, const ClampQuantizer& quantizer, float alpha = 0.0f) {
  const auto n = static_cast<std::int64_t>(x.size());
  Clamped out{.y = std::vector<float>(x.size()),
              .grad_x = std::vector<float>(x.size()),
              .codes = std::vector<std::int32_t>(x.size())};
  for (std::size_t i = 0; i < x.size(); ++i) out.grad_x[i] = static_cast<float>(i + 1);
  clamp_quantize_cpu(x.data(), out.y.data(), out.codes.data(), n, quantizer, alpha);
  clamp_quantize_backward_cpu(x.data(), out.grad_x.data(), out.grad_x.data(), n, quantizer, alpha,
                              &out.grad_alpha);
  return out;
}

}  // namespace

TEST_CASE("clamp quantizers come out as document 002's tables have them", "[kernels][clamp]") {
  const Clamped dorefa =
      clamp({-1.0f, 0.3f, 2.5f, 12.0f}, {ClampQuantizerKind::dorefa_clamp, 8, 0.1f});
  CHECK(dorefa.codes == std::vector{0, 8, 64, 255});
  CHECK(dorefa.y == std::vector{0.0f, 8.0f / 255.0f, 64.0f / 255.0f, 1.0f});
  CHECK(dorefa.grad_x == std::vector{0.0f, 2.0f * 0.1f, 3.0f * 0.1f, 0.0f});
  CHECK(dorefa.grad_alpha == 0.0);

  const std::vector<float> x{-7.0f, -0.3f, 0.02f, 2.5f, 6.5f};
  const Clamped eight = clamp(x, {ClampQuantizerKind::mpact, 8}, 6.0f);
  CHECK(eight.codes == std::vector{-127, -6, 0, 53, 127});
  const std::vector<double> values{-6.0, -0.283465, 0.0, 2.503937, 6.0};
  for (std::size_t i = 0; i < x.size(); ++i) CHECK_THAT(eight.y[i], WithinAbs(values[i], 1e-6));
  CHECK(eight.grad_x == std::vector{0.0f, 2.0f, 3.0f, 4.0f, 0.0f});
  CHECK(eight.grad_alpha == 5.0 - 1.0);
  CHECK(clamp(x, {ClampQuantizerKind::mpact, 6}, 6.0f).codes == std::vector{-31, -2, 0, 13, 31});
}

TEST_CASE("the ends of a clamp pass the gradient, and reach α too", "[kernels][clamp]") {
  const Clamped pact = clamp({-1.0f, 0.0f, 3.0f, 4.0f}, {ClampQuantizerKind::pact, 2}, 3.0f);
  CHECK(pact.codes == std::vector{0, 0, 3, 3});
  CHECK(pact.grad_x == std::vector{0.0f, 2.0f, 3.0f, 0.0f});
  CHECK(pact.grad_alpha == 3.0 + 4.0);
  const Clamped mpact = clamp({-3.0f, 0.0f, 3.0f}, {ClampQuantizerKind::mpact, 2}, 3.0f);
  CHECK(mpact.codes == std::vector{-1, 0, 1});
  CHECK(mpact.grad_x == std::vector{1.0f, 2.0f, 3.0f});
  CHECK(mpact.grad_alpha == 3.0 - 1.0);
}

TEST_CASE("half steps of an activation go to the even code", "[kernels][clamp]") {
  // α = 3 at 2 bits: steps of one.
  CHECK(clamp({0.5f, 1.5f, 2.5f}, {ClampQuantizerKind::pact, 2}, 3.0f).codes ==
        std::vector{0, 2, 2});
  CHECK(clamp({-1.5f, -0.5f, 0.5f, 2.5f}, {ClampQuantizerKind::mpact, 3}, 3.0f).codes ==
        std::vector{-2, 0, 0, 2});
}

TEST_CASE("activations stay within their codes and half a step of themselves", "[kernels][clamp]") {
  const int bits = GENERATE(range(2, 17));
  const auto kind = GENERATE(ClampQuantizerKind::dorefa_clamp, ClampQuantizerKind::pact_fixed,
                             ClampQuantizerKind::pact, ClampQuantizerKind::mpact);
  const ClampQuantizer quantizer{kind, bits, 1.0f, 2.5f};
  const bool is_signed = kind == ClampQuantizerKind::mpact;
  const float high = kind == ClampQuantizerKind::dorefa_clamp ? 1.0f : 2.5f;
  const float low = is_signed ? -high : 0.0f;
  const int top = is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
  for (const std::int64_t size : kSizes) {
    std::mt19937 random(static_cast<unsigned>(size));
    std::normal_distribution<float> normal(0.0f, 2.0f);
    std::vector<float> x(static_cast<std::size_t>(size));
    for (float& v : x) v = normal(random);
    const Clamped out = clamp(x, quantizer, 2.5f);
    CHECK(std::ranges::max(out.codes) <= top);
    CHECK(std::ranges::min(out.codes) >= (is_signed ? -top : 0));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const float inside = std::clamp(x[i], low, high);
      CHECK_THAT(out.y[i], WithinAbs(inside, 0.5 * high / top + 1e-6));
      CHECK_THAT(out.y[i], WithinAbs(static_cast<double>(out.codes[i]) * high / top, 1e-6));
    }
  }
}

TEST_CASE("a negative α clamps like its size and has the other sign's gradient",
          "[kernels][clamp]") {
  const std::vector<float> x{-7.0f, 0.5f, 8.0f};
  const auto kind = GENERATE(ClampQuantizerKind::pact, ClampQuantizerKind::mpact);
  const Clamped positive = clamp(x, {kind, 4}, 2.0f), negative = clamp(x, {kind, 4}, -2.0f);
  CHECK(negative.y == positive.y);
  CHECK(negative.grad_x == positive.grad_x);
  CHECK(negative.grad_alpha == -positive.grad_alpha);
}

TEST_CASE("NaN comes through a clamp quantizer", "[kernels][clamp]") {
  const Clamped out = clamp({kNan, 1.0f}, {ClampQuantizerKind::mpact, 8}, 2.0f);
  CHECK(std::isnan(out.y[0]));
  CHECK(out.codes[0] == 0);
  CHECK(out.codes[1] == 64);
}

TEST_CASE("the quantizer `none` changes nothing", "[kernels][clamp]") {
  const std::vector<float> x{-7.0f, 0.1f, kInf};
  const Clamped out = clamp(x, {});
  CHECK(out.y == x);
  CHECK(out.grad_x == std::vector{1.0f, 2.0f, 3.0f});
  CHECK(out.grad_alpha == 0.0);
}

TEST_CASE("a clamp quantizer refuses impossible bits and an α of 0", "[kernels][clamp]") {
  CHECK_THROWS_AS(clamp({1.0f}, {ClampQuantizerKind::pact, 0}, 1.0f), std::invalid_argument);
  CHECK_THROWS_AS(clamp({1.0f}, {ClampQuantizerKind::mpact, 1}, 1.0f), std::invalid_argument);
  CHECK_THROWS_AS(clamp({1.0f}, {ClampQuantizerKind::pact, 17}, 1.0f), std::invalid_argument);
  CHECK_THROWS_AS(clamp({1.0f}, {ClampQuantizerKind::pact, 8}, 0.0f), std::invalid_argument);
}

TEST_CASE("the penalty on α is λ times its square, and adds its gradient", "[kernels][clamp]") {
  const std::vector<float> alpha{6.0f, 2.5f};
  std::vector<double> grad{1.0, 0.0};
  CHECK_THAT(alpha_penalty(alpha.data(), 2, 0.0002, grad.data()), WithinRel(0.00845, 1e-12));
  CHECK_THAT(grad[0], WithinRel(1.0024, 1e-12));
  CHECK_THAT(grad[1], WithinRel(0.001, 1e-12));
  CHECK_THAT(alpha_penalty(alpha.data(), 2, 0.0002, nullptr), WithinRel(0.00845, 1e-12));
}
