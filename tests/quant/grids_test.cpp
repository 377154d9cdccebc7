#include "quant/grids.h"

#include <catch2/catch_test_macros.hpp>

#include "quant/clipping.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using config::Granularity;
using config::ZeroBits;

namespace {

QuantizerSite allocated(ZeroBits zero_bits) {
  QuantizerSite site{.bits = 4, .granularity = Granularity::channel};
  site.allocation = {"round", "std", 4, zero_bits};
  return site;
}

// The first has next to no spread, and gets 0 bits.
const std::vector<Statistics> kTwoChannels = {
    {.min = 2, .max = 2.25, .mean = 2.125, .std = 1e-6, .b = 1e-6},
    {.min = -8, .max = 8, .mean = 0, .std = 4, .b = 3}};

float only_value(const kernels::AffineGrid& grid) {
  CHECK(grid.qmin == grid.qmax);
  return kernels::dequantize(0, grid);
}

}  // namespace

TEST_CASE("a channel of 0 bits becomes its mean or its lower end, as asked for") {
  const Grids mean = make_grids(allocated(ZeroBits::mean), kTwoChannels);
  REQUIRE(mean.bits == std::vector<int>{0, 8});
  CHECK(only_value(mean.grids[0]) == 2.125F);
  CHECK(mean.grids[1].qmax == 255);
  const Grids lower = make_grids(allocated(ZeroBits::lower_end), kTwoChannels);
  CHECK(only_value(lower.grids[0]) == 2);
}

TEST_CASE("the lower end of a half range is 0, and a mean below 0 is 0 behind a ReLU") {
  std::vector<Statistics> statistics = kTwoChannels;
  QuantizerSite site = allocated(ZeroBits::lower_end);
  site.half_range = true;
  CHECK(only_value(make_grids(site, statistics).grids[0]) == 0);
  statistics[0].mean = -1;
  site.allocation.zero_bits = ZeroBits::mean;
  CHECK(only_value(make_grids(site, statistics).grids[0]) == 0);
}

TEST_CASE("clipping goes by the width that a channel was given") {
  QuantizerSite site = allocated(ZeroBits::mean);
  site.clipping = "laplace";
  const Grids grids = make_grids(site, kTwoChannels);
  const Clipping& rule = *clipping_named("laplace").rule;
  CHECK(grids.ranges[1].length == rule.range(kTwoChannels[1], {.bits = 8}).length);
  CHECK(grids.ranges[1].length != rule.range(kTwoChannels[1], {.bits = 4}).length);
}

TEST_CASE("the prior decides what spread is") {
  std::vector<Statistics> statistics(2,
                                     Statistics{.min = 0, .max = 1, .mean = 0, .std = 1, .b = 1});
  statistics[1].max = 64;
  QuantizerSite site = allocated(ZeroBits::mean);
  CHECK(make_grids(site, statistics).bits == std::vector<int>{4, 4});
  site.allocation.prior = "range";
  CHECK(make_grids(site, statistics).bits == std::vector<int>{2, 6});
}

TEST_CASE("moments are asked for where something reads them") {
  QuantizerSite site{.bits = 4, .granularity = Granularity::channel};
  CHECK_FALSE(needs_moments(site));
  site.allocation = {"round", "range", 4, ZeroBits::lower_end};
  CHECK_FALSE(needs_moments(site));
  site.allocation.zero_bits = ZeroBits::mean;
  CHECK(needs_moments(site));
  site.allocation = {};
  site.clipping = "std:2";
  CHECK(needs_moments(site));
}
