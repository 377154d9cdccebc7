// Clipping rules that look at the values themselves: percentile, mse, kl.
#include "quant/clipping_search.h"

#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "quant/kl_threshold.h"
#include "samples.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using Catch::Approx;
using kernels::AffineGrid;
using kernels::RealRange;
using testing::histogram_of;

namespace {

ClippingRequest request(int bits, bool half_range) {
  ClippingRequest out{.bits = bits, .half_range = half_range};
  out.grid = [bits](RealRange range) { return kernels::affine_grid(range, bits); };
  return out;
}

// keeps: whether the histogram keeps its values.
RealRange chosen(const char* rule, std::span<const float> x, const ClippingRequest& request,
                 bool keeps = false) {
  Statistics statistics;
  statistics.histogram = std::make_shared<const Histogram>(histogram_of(x, keeps));
  return clippings().get(rule).range(statistics, request);
}

// Tries every candidate on the values themselves.
RealRange by_brute_force(std::span<const float> x, const ClippingRequest& request) {
  RealRange best{0, 0};
  double least = std::numeric_limits<double>::infinity();
  for (const RealRange& candidate : clipping_candidates(histogram_of(x), request)) {
    const double error = testing::squared_error(x, request.grid(candidate), request.half_range);
    if (error > least) continue;
    least = error;
    best = candidate;
  }
  return best;
}

// Like outputs of a convolution: a mixture of narrow and wide, with a mean below zero.
std::vector<float> mixture(std::size_t n, unsigned seed) {
  std::vector<float> out = testing::normal(n, -0.4F, 0.6F, seed);
  const std::vector<float> wide = testing::laplace(n / 5, 0.5F, 1.2F, seed + 1);
  std::ranges::copy(wide, out.begin());
  return out;
}

}  // namespace

TEST_CASE("mse makes the choice of brute force on 100 candidates") {
  // As many values as a tensor of a small network has in a calibration batch.
  constexpr std::size_t kValues = 1 << 19;
  struct Tensor {
    std::vector<float> x;
    int bits;
    bool half_range;
  };
  const std::vector<Tensor> tensors = {{testing::laplace(kValues, -0.2F, 0.5F, 1), 4, false},
                                       {mixture(kValues, 2), 4, false},
                                       {mixture(kValues, 3), 3, true},
                                       {testing::normal(kValues, 0.1F, 1, 4), 2, false}};
  for (const Tensor& tensor : tensors) {
    CAPTURE(tensor.bits, tensor.half_range);
    const ClippingRequest asked = request(tensor.bits, tensor.half_range);
    const RealRange expected = by_brute_force(tensor.x, asked);
    const RealRange got = chosen("mse", tensor.x, asked);
    CHECK(got.lower == expected.lower);
    CHECK(got.length == expected.length);
  }
}

TEST_CASE("of a tensor whose values are kept, mse makes the choice of brute force") {
  for (const std::size_t n : {3U, 50U, 1000U, 20000U}) {
    for (const unsigned seed : {1U, 2U, 3U}) {
      const std::vector<float> x = mixture(n, seed);
      for (const int bits : {1, 2, 4, 6, 8}) {
        for (const bool half_range : {false, true}) {
          CAPTURE(n, seed, bits, half_range);
          const ClippingRequest asked = request(bits, half_range);
          const RealRange expected = by_brute_force(x, asked);
          const RealRange got = chosen("mse", x, asked, true);
          CHECK(got.lower == expected.lower);
          CHECK(got.length == expected.length);
        }
      }
    }
  }
}

TEST_CASE("from counts alone mse loses less than two in a thousand on few values") {
  for (const unsigned seed : {1U, 2U, 3U}) {
    const std::vector<float> x = mixture(20000, seed);
    for (const int bits : {2, 4, 6, 8}) {
      for (const bool half_range : {false, true}) {
        CAPTURE(seed, bits, half_range);
        const ClippingRequest asked = request(bits, half_range);
        const auto error = [&](RealRange range) {
          return testing::squared_error(x, asked.grid(range), half_range);
        };
        CHECK(error(chosen("mse", x, asked)) <= 1.002 * error(by_brute_force(x, asked)));
      }
    }
  }
}

TEST_CASE("mse clips more with fewer codes, and not at all with as many as bins") {
  const std::vector<float> x = testing::laplace(50000, 0, 1, 9);
  const float two = chosen("mse", x, request(2, false)).length;
  const float four = chosen("mse", x, request(4, false)).length;
  const float eight = chosen("mse", x, request(8, false)).length;
  const float twelve = chosen("mse", x, request(12, false)).length;
  CHECK(two < four);
  CHECK(four < eight);
  CHECK(eight <= twelve);
  const auto [min, max] = std::ranges::minmax(x);
  CHECK(twelve == Approx(max - min));
}

TEST_CASE("mse finds the analytic optimum of a Laplace distribution to within its candidates") {
  const std::vector<float> x = testing::laplace(400000, 0, 1, 4);
  const RealRange range = chosen("mse", x, request(4, false));
  // 5.03 by the formula; a grid of 15 steps in place of 16 clips a little less.
  CHECK(range.length / 2 > 4.7F);
  CHECK(range.length / 2 < 5.7F);
}

TEST_CASE("a percentile keeps its share on either side, or above zero") {
  std::vector<float> x(10001);
  for (int i = 0; i < 10001; ++i) x[static_cast<std::size_t>(i)] = static_cast<float>(i - 5000);
  ClippingRequest asked{.bits = 4};
  asked.percentile = 99;
  const RealRange two_sided = chosen("percentile", x, asked);
  CHECK(two_sided.lower == Approx(-4900).margin(10));
  CHECK(two_sided.length == Approx(9800).margin(20));
  asked.half_range = true;
  CHECK(chosen("percentile", x, asked).lower == 0);
  CHECK(chosen("percentile", x, asked).length == Approx(4900).margin(10));
  asked.percentile = 100;
  CHECK(chosen("percentile", x, asked).length == 5000);
}

TEST_CASE("a percentile that leaves no range is refused with its number") {
  const std::vector<float> x{1, 2, 3};
  for (const double bad : {50.0, 0.0, 100.1, std::nan("")}) {
    ClippingRequest asked{.bits = 4};
    asked.percentile = bad;
    CHECK_THROWS_AS(chosen("percentile", x, asked), ConfigError);
  }
}

TEST_CASE("rules that look at values keep constant and all-zero tensors on their value") {
  for (const char* rule : {"percentile", "mse", "kl"}) {
    for (const float value : {0.0F, 3.0F, -2.0F}) {
      for (const bool half_range : {false, true}) {
        CAPTURE(rule, value, half_range);
        const std::vector<float> x(100, value);
        const ClippingRequest asked = request(4, half_range);
        const RealRange range = chosen(rule, x, asked);
        CHECK(std::isfinite(range.lower));
        CHECK(range.length >= 0);
        const AffineGrid grid = kernels::affine_grid(range, 4);
        const float wanted = half_range ? std::max(value, 0.0F) : value;
        const float code = kernels::clamped_code(kernels::unclamped_code(value, grid, {}), grid);
        CHECK(kernels::dequantize(code, grid) == Approx(wanted).epsilon(1e-5));
      }
    }
  }
}

TEST_CASE("kl clips a heavy tail, keeps zero inside, and never reaches beyond the values") {
  const std::vector<float> x = testing::laplace(100000, 0, 1, 13);
  const float largest =
      std::max(std::abs(*std::ranges::min_element(x)), std::abs(*std::ranges::max_element(x)));
  const RealRange range = chosen("kl", x, request(4, false));
  CHECK(range.lower < 0);
  CHECK(range.lower + range.length > 0);
  CHECK(range.length < 1.6F * largest);
  const RealRange half = chosen("kl", x, request(4, true));
  CHECK(half.lower == 0);
  CHECK(half.length <= largest);
}

TEST_CASE("the divergence search keeps at least its levels and at most all bins") {
  const std::vector<double> flat(13, 7);
  CHECK(kl_half_width(flat, 3) >= 1);
  CHECK(kl_half_width(flat, 13) == 6);  // as many levels as bins: nothing to choose
  // Almost everything in the middle, one far value: the far one is clipped.
  std::vector<double> narrow(101, 0);
  for (std::size_t i = 41; i <= 59; ++i)
    narrow[i] = 1000 - 20 * std::abs(static_cast<double>(i) - 50);
  narrow[100] = 1;
  CHECK(kl_half_width(narrow, 15) < 30);
}
