#include "quant/histogram.h"

#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

#include "samples.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using Catch::Approx;
using testing::histogram_of;

TEST_CASE("histograms join to the histogram of all values, in any order and however cut") {
  const std::vector<float> x = testing::normal(3000, 0.2F, 1.5F, 7);
  const std::span<const float> all(x);
  const Histogram whole = histogram_of(all);
  Histogram forwards = histogram_of(all.first(10));
  forwards.merge(histogram_of(all.subspan(10, 1000)));
  forwards.merge(histogram_of(all.subspan(1010)));
  Histogram backwards = histogram_of(all.subspan(1010));
  backwards.merge(histogram_of(all.first(1010)));
  for (const Histogram* joined : {&forwards, &backwards}) {
    CHECK(joined->count() == 3000);
    CHECK(joined->width() == whole.width());
    CHECK(joined->edge() == whole.edge());
    CHECK(std::ranges::equal(joined->counts(), whole.counts()));
  }
}

TEST_CASE("a range that grows a millionfold joins bins and loses no value") {
  Histogram joined = histogram_of(std::vector<float>{-1e-3F, 2e-3F, 0});
  joined.merge(histogram_of(std::vector<float>{-2000, 5}));
  CHECK(joined.count() == 5);
  CHECK(joined.min() == -2000);
  CHECK(joined.max() == 5);
  std::uint64_t counted = 0;
  for (const std::uint64_t n : joined.counts()) counted += n;
  CHECK(counted == 5);
}

TEST_CASE("quantiles lie within a bin of those of the sorted values, and end at the extremes") {
  std::vector<float> x = testing::normal(20000, -1, 2, 3);
  const Histogram histogram = histogram_of(x);
  std::ranges::sort(x);
  CHECK(histogram.quantile(0) == x.front());
  CHECK(histogram.quantile(1) == x.back());
  for (const double share : {0.001, 0.25, 0.5, 0.9, 0.9999}) {
    const double exact = x[static_cast<std::size_t>(share * 20000)];
    // In the tail the next value may be some bins away.
    const double tolerance = share > 0.99 || share < 0.01 ? 0.2 : 2 * histogram.width();
    CHECK(histogram.quantile(share) == Approx(exact).margin(tolerance));
  }
}

TEST_CASE("the mean of a histogram is that of its values to within a bin") {
  const std::vector<float> x = testing::normal(5000, 3, 0.5F, 11);
  double sum = 0;
  for (const float value : x) sum += value;
  const Histogram histogram = histogram_of(x);
  CHECK(histogram.mean() == Approx(sum / 5000).margin(histogram.width()));
}

TEST_CASE("resampling keeps the number of values, and leaves out those outside") {
  const std::vector<float> x = testing::normal(5000, 0, 1, 5);
  const Histogram histogram = histogram_of(x);
  double inside = 0;
  for (const double n : histogram.resampled(2001, -10, 10)) inside += n;
  CHECK(inside == Approx(5000));
  double above = 0;
  for (const double n : histogram.resampled(33, 0, 10)) above += n;
  const auto positive = std::ranges::count_if(x, [](float v) { return v > 0; });
  CHECK(above == Approx(static_cast<double>(positive)).margin(20));
}

TEST_CASE("the error of a grid on a histogram is that on the values") {
  for (const int bits : {2, 4, 8}) {
    const std::vector<float> x = testing::laplace(100000, 0.3F, 1, 21);
    const kernels::AffineGrid grid = kernels::affine_grid({-4, 9}, bits);
    const double exact = testing::squared_error(x, grid, /*half_range=*/false);
    const double on_histogram = HistogramSums(histogram_of(x)).squared_error(grid, -100);
    CAPTURE(bits);
    CHECK(on_histogram == Approx(exact).epsilon(0.01));
  }
}

TEST_CASE("values below the point where errors begin cost nothing") {
  const std::vector<float> x{-4, -3, 1, 2};
  const kernels::AffineGrid grid = kernels::affine_grid({0, 3}, 2);  // 0, 1, 2, 3
  CHECK(HistogramSums(histogram_of(x)).squared_error(grid, 0) < 1e-4);
  CHECK(HistogramSums(histogram_of(x)).squared_error(grid, -10) == Approx(25.0 / 4).epsilon(0.01));
}
