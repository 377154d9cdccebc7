#include "quant/bit_allocation.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <numeric>
#include <random>

#include "core/error.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using Catch::Approx;
using Widths = std::vector<int>;

namespace {

double error_of(std::span<const double> spread, std::span<const int> bits) {
  double sum = 0;
  for (std::size_t i = 0; i < bits.size(); ++i) {
    sum += spread[i] * spread[i] / std::exp2(2.0 * bits[i]);
  }
  return sum;
}

// The least error of all allocations of exactly `total` bits, by trying them all.
double least_error(std::span<const double> spread, int total, Widths& chosen) {
  if (chosen.size() == spread.size()) {
    return total == 0 ? error_of(spread, chosen) : HUGE_VAL;
  }
  double least = HUGE_VAL;
  for (int bits = 0; bits <= std::min(total, kMostAllocatedBits); ++bits) {
    chosen.push_back(bits);
    least = std::min(least, least_error(spread, total - bits, chosen));
    chosen.pop_back();
  }
  return least;
}

int sum(const Widths& bits) { return std::accumulate(bits.begin(), bits.end(), 0); }

}  // namespace

TEST_CASE("the published quota loop comes out as in facts B.3, where it misses the quota too") {
  const std::vector<double> even = {0.1, 0.2, 0.4, 0.8, 1.6, 3.2};
  CHECK(allocate_bits("round", even, 4) == Widths{2, 3, 4, 4, 5, 6});
  const std::vector<double> uneven = {0.05, 0.3, 0.5, 0.7, 0.9, 1.1, 1.3, 5};
  const QuotaAllocation off = allocate_to_quota(uneven, 4, AllocationRounding::nearest);
  CHECK(off.bits == Widths{1, 3, 4, 4, 4, 4, 5, 6});
  CHECK(off.passes == 10);
  CHECK(mean_width(allocate_bits("ceil", uneven, 4)) == 4.125);
  CHECK(allocate_bits("round", std::vector<double>{0, 1, 1, 1}, 4) == Widths{0, 6, 6, 6});
}

TEST_CASE("the code of 2019 gives at least one bit and no quota") {
  CHECK(allocate_bits("ceil_2019", std::vector<double>{0.001, 1, 1, 1}, 4) == Widths{1, 5, 5, 5});
  CHECK(allocate_bits("ceil_2019", std::vector<double>{1, 1}, 4) == Widths{4, 4});
}

TEST_CASE("exact spends the quota to the last bit, and nobody spends it better") {
  std::mt19937 random(5);
  std::lognormal_distribution<double> draw(0, 1.5);
  for (int trial = 0; trial < 20; ++trial) {
    std::vector<double> spread(5);
    for (double& s : spread) s = draw(random);
    for (const double average : {0.0, 1.3, 3.0, 4.5, 7.9, 8.0}) {
      CAPTURE(trial, average);
      const Widths bits = allocate_exactly(spread, average);
      const int total = static_cast<int>(std::floor(5 * average + 1e-9));
      CHECK(sum(bits) == total);
      Widths chosen;
      CHECK(error_of(spread, bits) == Approx(least_error(spread, total, chosen)).epsilon(1e-12));
    }
  }
}

TEST_CASE("exact gives no bit to a channel without spread, nor more than 8 to any") {
  CHECK(allocate_exactly(std::vector<double>{0, 1, 1, 1}, 4) == Widths{0, 6, 5, 5});
  CHECK(allocate_exactly(std::vector<double>{0, 0, 0, 1}, 4) == Widths{0, 0, 0, 8});
}

TEST_CASE("where no channel has any spread all get the same width") {
  const std::vector<double> constant(3, 0.0);
  CHECK(allocate_bits("round", constant, 4) == Widths{4, 4, 4});
  CHECK(allocate_bits("exact", constant, 4) == Widths{4, 4, 4});
  CHECK(allocate_bits("ceil_2019", constant, 4) == Widths{4, 4, 4});
}

TEST_CASE("an allocation that is none is refused by name") {
  CHECK_THROWS_AS(allocate_bits("rond", std::vector<double>{1}, 4), ConfigError);
}
