#include "kernels/moments.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <vector>

using namespace bitsweep::kernels;
using Catch::Matchers::WithinRel;

TEST_CASE("moments are the mean, the unbiased deviation and the mean absolute deviation",
          "[kernels][moments]") {
  // Channel 0: 1, 2, 3, 6 (mean 3, squares 4 + 1 + 0 + 9, absolute 2 + 1 + 0 + 3); channel 1:
  // all 5.
  const std::vector<float> x{1, 2, 5, 5, 3, 6, 5, 5};
  std::vector<Moments> out(2);
  moments_cpu(x.data(), {2, 2, 2}, out.data());
  CHECK(out[0].mean == 3.0);
  CHECK_THAT(out[0].std, WithinRel(std::sqrt(14.0 / 3.0), 1e-15));
  CHECK(out[0].mean_absolute_deviation == 1.5);
  CHECK(out[1].mean == 5.0);
  CHECK(out[1].std == 0.0);
  CHECK(out[1].mean_absolute_deviation == 0.0);
}

TEST_CASE("moments do not lose small deviations around a large mean", "[kernels][moments]") {
  std::vector<float> x(4096);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = i % 2 == 0 ? 10000.0f : 10001.0f;
  Moments out;
  moments_cpu(x.data(), {1, 1, 4096}, &out);
  CHECK(out.mean == 10000.5);
  CHECK_THAT(out.std, WithinRel(0.5 * std::sqrt(4096.0 / 4095.0), 1e-12));
  CHECK(out.mean_absolute_deviation == 0.5);
}

TEST_CASE("moments of one element have no spread, of none are zero, of NaN are NaN",
          "[kernels][moments]") {
  const float one = 7.0f;
  Moments out;
  moments_cpu(&one, {1, 1, 1}, &out);
  CHECK(out.mean == 7.0);
  CHECK(out.std == 0.0);
  moments_cpu(nullptr, {1, 1, 0}, &out);
  CHECK(out.mean == 0.0);
  const float nan = std::nanf("");
  moments_cpu(&nan, {1, 1, 1}, &out);
  CHECK(std::isnan(out.mean));
}
