#include "quant/mid_tread.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "kernels/fake_quantize.h"
#include "quant/clipping_noise.h"
#include "quant/grids.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using Catch::Approx;

namespace {

const Statistics kStatistics{.min = -4, .max = 6, .mean = 0.5, .std = 1.5, .b = 1};

float on_grid(float x, const kernels::AffineGrid& grid) {
  float y = 0;
  kernels::fake_quantize_cpu(&x, &y, nullptr, 1, grid);
  return y;
}

}  // namespace

TEST_CASE("bins are dealt out by the spread to the power 2/3, and need no power of two") {
  // 8^(2/3) = 4: shares 4/5 and 1/5 of 2·2^3.
  CHECK(mid_tread_bins(std::vector<double>{8, 1}, 3) == std::vector<int>{13, 3});
  CHECK(mid_tread_bins(std::vector<double>{2, 2}, 4) == std::vector<int>{16, 16});
  CHECK(mid_tread_bins(std::vector<double>{0, 0}, 4) == std::vector<int>{16, 16});
  CHECK(mid_tread_bins(std::vector<double>{0, 1}, 2) == std::vector<int>{0, 8});
}

TEST_CASE("more bins than float32 can count are refused") {
  CHECK_THROWS_AS(mid_tread_bins(std::vector<double>(1000, 0.0), 23), ConfigError);
}

TEST_CASE("the clipping table meets the formula at its entries and lies below between them") {
  for (const double entry : {0.01, 0.1, 1.0, 10.0, 100.0, 14.5, 550.0}) {
    CAPTURE(entry);
    CHECK(mid_tread_clipping(entry) ==
          Approx(optimal_clipping(Prior::laplace, entry)).epsilon(1e-9));
  }
  for (const double between : {12.0, 17.3, 122.0, 400.0}) {
    CAPTURE(between);
    const double exact = optimal_clipping(Prior::laplace, between);
    CHECK(mid_tread_clipping(between) < exact);
    CHECK(mid_tread_clipping(between) > 0.99 * exact);
  }
  CHECK(mid_tread_clipping(5000) == optimal_clipping(Prior::laplace, 5000));
}

TEST_CASE("a whole range keeps its extremes to half a step, and zero exactly") {
  const MidTread made = mid_tread(kStatistics, {.bins = 10});
  CHECK(made.grid.scale == 1.0F);
  CHECK(on_grid(0, made.grid) == 0);
  CHECK(on_grid(6, made.grid) == 6);
  CHECK(on_grid(-4, made.grid) == -4);
  CHECK(on_grid(2.4F, made.grid) == 2);
}

TEST_CASE("a clipped range is centred on the mean; one side has bins half as wide") {
  const MidTread two = mid_tread(kStatistics, {.bins = 16, .clipped = true});
  CHECK(two.range.lower + two.range.length / 2 == Approx(0.5).margin(1e-6));
  CHECK(two.grid.scale == Approx(two.range.length / 16));
  const MidTread one = mid_tread(kStatistics, {.bins = 16, .half_range = true, .clipped = true});
  CHECK(one.range.lower == 0);
  CHECK(one.grid.scale == Approx(one.range.length / 32));
  CHECK(one.grid.qmin == 0);
  CHECK(on_grid(-3, one.grid) == 0);
}

TEST_CASE(
    "a channel of no bins, or without spread, is a constant and not a number out of nowhere") {
  const MidTread none = mid_tread(kStatistics, {.bins = 0});
  CHECK(on_grid(3, none.grid) == 0.5F);
  CHECK(on_grid(3, mid_tread(kStatistics, {.bins = 0, .half_range = true}).grid) == 0.5F);
  const Statistics constant{.min = 2, .max = 2, .mean = 2};
  for (const bool clipped : {false, true}) {
    CHECK(on_grid(2, mid_tread(constant, {.bins = 16, .clipped = clipped}).grid) == 2);
  }
  const Statistics negative{.min = -3, .max = -1, .mean = -2, .std = 0.1, .b = 0.1};
  CHECK(on_grid(-2, mid_tread(negative, {.bins = 16, .half_range = true}).grid) == 0);
}

TEST_CASE("a site of quantizer mid_tread becomes grids with the width of their codes") {
  QuantizerSite site;
  site.quantizer = "mid_tread";
  site.granularity = config::Granularity::channel;
  site.allocation.average_bits = 3;
  Statistics wide = kStatistics;
  wide.std = 8;
  Statistics narrow = kStatistics;
  narrow.std = 1;
  const Grids grids = make_grids(site, std::vector<Statistics>{wide, narrow});
  CHECK(grids.grids[0].scale == Approx(10.0 / 13));
  CHECK(grids.grids[1].scale == Approx(10.0 / 3));
  CHECK(grids.bits[0] == 4);  // 13 steps, 14 codes
  CHECK(grids.bits[1] == 2);  // 3 steps, 4 codes
  CHECK(needs_moments(site));
}
