#include "kernels/weight_quantizer.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <numeric>
#include <stdexcept>

#include "cases.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

constexpr auto kSymmetric = WeightQuantizerKind::tanh_symmetric;
constexpr auto kDorefa = WeightQuantizerKind::dorefa;

struct Quantized {
  std::vector<float> w_q;
  std::vector<double> tanh_w;
  std::vector<std::int32_t> codes;
  WeightQuantizerState state;
};

Quantized quantize(const std::vector<float>& w, const WeightQuantizer& quantizer) {
  const auto n = static_cast<std::int64_t>(w.size());
  Quantized out{std::vector<float>(w.size()), std::vector<double>(w.size()),
                std::vector<std::int32_t>(w.size()), WeightQuantizerState{9.0, 9, 9.0}};
  quantize_weights_cpu(w.data(), out.w_q.data(), out.tanh_w.data(), n, quantizer, &out.state);
  weight_codes_cpu(out.tanh_w.data(), out.codes.data(), n, quantizer, out.state);
  return out;
}

std::vector<float> backward(const std::vector<float>& w, const std::vector<float>& grad_q,
                            const WeightQuantizer& quantizer) {
  const Quantized forward = quantize(w, quantizer);
  std::vector<float> grad_w = grad_q;  // in place
  quantize_weights_backward_cpu(w.data(), forward.tanh_w.data(), grad_w.data(), grad_w.data(),
                                static_cast<std::int64_t>(w.size()), quantizer, forward.state);
  return grad_w;
}

std::vector<float> normal_weights(std::int64_t n, float deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, deviation);
  std::vector<float> w(static_cast<std::size_t>(n));
  for (float& v : w) v = normal(random);
  return w;
}

}  // namespace

TEST_CASE("weights come out as document 002's table has them", "[kernels][weights]") {
  const std::vector<float> w{0.1f, -0.3f, 0.7f, -1.2f};
  CHECK(quantize(w, {kSymmetric, 8}).codes == std::vector{15, -44, 92, -127});
  CHECK(quantize(w, {kSymmetric, 8}).w_q ==
        std::vector{15.0f / 127.0f, -44.0f / 127.0f, 92.0f / 127.0f, -1.0f});
  CHECK(quantize(w, {kSymmetric, 6}).codes == std::vector{4, -11, 22, -31});
  CHECK(quantize(w, {kSymmetric, 6}).w_q ==
        std::vector{4.0f / 31.0f, -11.0f / 31.0f, 22.0f / 31.0f, -1.0f});
  CHECK(quantize(w, {kSymmetric, 3}).codes == std::vector{0, -1, 2, -3});
  CHECK(quantize(w, {kSymmetric, 2}).codes == std::vector{1, -1, 1, -1});
  // v = 0.1196, −0.3494, 0.7250, −1: Zhou's form has 2^b codes and no zero.
  CHECK(quantize(w, {kDorefa, 2}).codes == std::vector{2, 1, 3, 0});
  CHECK(quantize(w, {kDorefa, 2}).w_q == std::vector{1.0f / 3.0f, -1.0f / 3.0f, 1.0f, -1.0f});
  CHECK(quantize(w, {kDorefa, 4}).codes == std::vector{8, 5, 13, 0});
}

TEST_CASE("half steps of a weight go to the even code", "[kernels][weights]") {
  // v = ½ exactly: tanh is saturated for the maximum, and w is tanh⁻¹(½) as long as that is a
  // float32; the formula is asked directly where no float32 is.
  CHECK(weight_code(0.5, 1.0, 1.0, WeightRounding::symmetric) == 0.0);
  CHECK(weight_code(0.5, 1.0, 3.0, WeightRounding::symmetric) == 2.0);
  CHECK(weight_code(-0.5, 1.0, 3.0, WeightRounding::symmetric) == -2.0);
  CHECK(weight_code(-0.5, 1.0, 7.0, WeightRounding::symmetric) == -4.0);
  CHECK(weight_code(0.25, 0.5, 127.0, WeightRounding::symmetric) == 64.0);
  CHECK(weight_code(0.0, 1.0, 3.0, WeightRounding::unit) == 2.0);
  CHECK(weight_code(0.0, 1.0, 15.0, WeightRounding::unit) == 8.0);
  CHECK_FALSE(std::signbit(weight_code(-0.1, 1.0, 3.0, WeightRounding::symmetric)));
}

TEST_CASE("one bit is the sign times the mean size, and zero counts as positive",
          "[kernels][weights]") {
  const std::vector<float> w{0.5f, -1.0f, 0.0f, -0.0f, -2.5f};
  const WeightQuantizerKind kind = GENERATE(kSymmetric, kDorefa);
  const Quantized out = quantize(w, {kind, 1});
  CHECK(out.state.mean_abs == 0.8);
  CHECK(out.w_q == std::vector{0.8f, -0.8f, 0.8f, 0.8f, -0.8f});
  CHECK(out.codes == (kind == kDorefa ? std::vector{1, 0, 1, 1, 0} : std::vector{1, -1, 1, 1, -1}));
  const std::vector<float> grad{1, 2, 3, 4, 5};
  CHECK(backward(w, grad, {kind, 1}) == grad);
}

TEST_CASE("zero is exact in the symmetric form and never minus zero", "[kernels][weights]") {
  const int bits = GENERATE(range(2, 17));
  const Quantized out = quantize({0.0f, -0.0f, 1.0f, -1e-9f}, {kSymmetric, bits});
  for (const std::size_t i : {0u, 1u}) {
    CHECK(out.codes[i] == 0);
    CHECK(out.w_q[i] == 0.0f);
    CHECK_FALSE(std::signbit(out.w_q[i]));
  }
  CHECK(out.codes[3] == (bits == 2 ? -1 : 0));
}

TEST_CASE("the largest weight is one, and codes stay within their bits", "[kernels][weights]") {
  const int bits = GENERATE(range(1, 17));
  const WeightQuantizerKind kind = GENERATE(kSymmetric, kDorefa);
  const std::int64_t n = GENERATE(from_range(kSizes));
  const auto w = normal_weights(n, 0.3f, static_cast<unsigned>(n + bits));
  const Quantized out = quantize(w, {kind, bits});
  const std::int32_t steps = kind == kDorefa ? (1 << bits) - 1 : std::max(1, (1 << (bits - 1)) - 1);
  CHECK(std::ranges::min(out.codes) >= (kind == kDorefa ? 0 : -steps));
  CHECK(std::ranges::max(out.codes) <= steps);
  const auto largest = static_cast<std::size_t>(
      std::ranges::max_element(w, {}, [](float v) { return std::fabs(v); }) - w.begin());
  CHECK(out.state.argmax == static_cast<std::int64_t>(largest));
  CHECK(out.state.max_tanh == std::fabs(out.tanh_w[largest]));
  if (bits > 1) CHECK(std::fabs(out.w_q[largest]) == 1.0f);
  for (std::size_t i = 0; i < w.size(); ++i) {
    const double v = out.tanh_w[i] / out.state.max_tanh;
    if (bits > 2 || kind == kDorefa)
      if (bits > 1)
        CHECK_THAT(out.w_q[i], WithinAbs(v, (kind == kDorefa ? 1.0 : 0.5) / steps + 1e-7));
    const double code = out.codes[i];
    const double value = bits == 1         ? (w[i] < 0 ? -1 : 1) * out.state.mean_abs
                         : kind == kDorefa ? 2.0 * code / steps - 1.0
                                           : code / steps;
    CHECK_THAT(out.w_q[i], WithinRel(value, 1e-7) || WithinAbs(value, 1e-9));
  }
}

TEST_CASE("the first of several equal maxima is the maximum", "[kernels][weights]") {
  const std::int64_t n = GENERATE(3, 1023, 1024, 1025, 5000);
  std::vector<float> w = normal_weights(n, 0.1f, 3);
  w[static_cast<std::size_t>(n / 2)] = -7.0f;
  w.back() = 7.0f;
  CHECK(quantize(w, {kSymmetric, 8}).state.argmax == n / 2);
}

TEST_CASE("weights that are all zero have code zero and a straight-through gradient",
          "[kernels][weights]") {
  const std::vector<float> zeros(40, 0.0f), grad = normal_weights(40, 1.0f, 4);
  const int bits = GENERATE(2, 3, 8, 16);
  const Quantized out = quantize(zeros, {kSymmetric, bits});
  CHECK(out.codes == std::vector<std::int32_t>(40, 0));
  CHECK(out.w_q == zeros);
  CHECK(backward(zeros, grad, {kSymmetric, bits}) == grad);
  CHECK(quantize(zeros, {kSymmetric, 1}).w_q == zeros);
  // The code next above the middle, as for any zero weight.
  CHECK(quantize(zeros, {kDorefa, 2}).codes == std::vector<std::int32_t>(40, 2));
}

TEST_CASE("NaN stays NaN and the other weights keep their values", "[kernels][weights]") {
  const std::vector<float> w{0.1f, kNan, 0.7f, -1.2f};
  const WeightQuantizer quantizer{GENERATE(kSymmetric, kDorefa), GENERATE(2, 8)};
  const Quantized out = quantize(w, quantizer), clean = quantize({0.1f, 0.7f, -1.2f}, quantizer);
  CHECK(std::isnan(out.w_q[1]));
  CHECK(out.codes[1] == 0);
  CHECK(std::vector{out.w_q[0], out.w_q[2], out.w_q[3]} == clean.w_q);
  CHECK(out.state.argmax == 3);
}

TEST_CASE("infinite weights are the largest", "[kernels][weights]") {
  CHECK(quantize({-kInf, 0.1f, kInf}, {kSymmetric, 8}).codes == std::vector{-127, 13, 127});
}

TEST_CASE("the weights' gradient is that of tanh(w) / max|tanh(w)|", "[kernels][weights]") {
  const std::int64_t n = GENERATE(1, 2, 7, 50);
  const float deviation = GENERATE(0.05f, 1.2f);
  const WeightQuantizer quantizer{GENERATE(kSymmetric, kDorefa), GENERATE(2, 6, 8)};
  const auto w = normal_weights(n, deviation, static_cast<unsigned>(n));
  const auto grad_q = normal_weights(n, 1.0f, 77);
  const auto grad_w = backward(w, grad_q, quantizer);
  const auto loss = [&](std::size_t moved, double by) {
    std::vector<double> t(w.size());
    for (std::size_t i = 0; i < t.size(); ++i)
      t[i] = std::tanh(static_cast<double>(w[i]) + (i == moved ? by : 0.0));
    const double largest =
        std::fabs(*std::ranges::max_element(t, {}, [](double v) { return std::fabs(v); }));
    double sum = 0.0;
    for (std::size_t i = 0; i < t.size(); ++i)
      sum += static_cast<double>(grad_q[i]) * t[i] / largest;
    return sum;
  };
  for (std::size_t i = 0; i < w.size(); ++i) {
    CAPTURE(i);
    CHECK_THAT(grad_w[i], WithinAbs((loss(i, 1e-6) - loss(i, -1e-6)) / 2e-6, 1e-5) ||
                              WithinRel((loss(i, 1e-6) - loss(i, -1e-6)) / 2e-6, 1e-5));
  }
}

TEST_CASE("a weight quantizer refuses bits beyond 1–16", "[kernels][weights]") {
  const int bits = GENERATE(-1, 0, 17, 32);
  CHECK_THROWS_AS(quantize({1.0f}, {kSymmetric, bits}), std::invalid_argument);
}

TEST_CASE("a weight quantizer of no weights has an empty state", "[kernels][weights]") {
  const Quantized out = quantize({}, {kSymmetric, GENERATE(1, 8)});
  CHECK(out.state.max_tanh == 0.0);
  CHECK(out.state.argmax == 0);
  CHECK(out.state.mean_abs == 0.0);
}
