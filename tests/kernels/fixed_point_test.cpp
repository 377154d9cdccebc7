#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <cmath>
#include <limits>

#include "kernels/fixed_point_math.h"

namespace bitsweep::kernels {
namespace {

constexpr FixedPoint kWide{32, 16};
constexpr FixedPoint kNarrow{24, 10};

TEST_CASE("a number becomes steps of its format, ties to even") {
  CHECK(fixed_of(0.5, kWide, FixedSaturation::value) == 32768);
  CHECK(fixed_of(-1.5, kWide, FixedSaturation::value) == -98304);
  CHECK(fixed_of(2.5 / 65536, kWide, FixedSaturation::value) == 2);
  CHECK(fixed_of(3.5 / 65536, kWide, FixedSaturation::value) == 4);
  CHECK(fixed_of(1e-9, kWide, FixedSaturation::value) == 0);
}

TEST_CASE("a number beyond its format saturates as a whole, or by its integer part") {
  CHECK(fixed_of(40000, kWide, FixedSaturation::value) == 2147483647);
  CHECK(fixed_of(-40000, kWide, FixedSaturation::value) ==
        std::numeric_limits<std::int32_t>::min());
  CHECK(fixed_of(511.7, kNarrow, FixedSaturation::value) == 8383693);
  // Facts A.9: 511.7 becomes 510.7, −513.2 becomes −512.2.
  CHECK(fixed_of(511.7, kNarrow, FixedSaturation::integer_part) == 8367309);
  CHECK(fixed_of(-513.2, kNarrow, FixedSaturation::integer_part) == -8391885);
  CHECK(fixed_of(40000, kNarrow, FixedSaturation::integer_part) == 8372224);
}

TEST_CASE("a number that is none or infinite has a code all the same") {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const FixedSaturation saturation : {FixedSaturation::value, FixedSaturation::integer_part}) {
    CHECK(fixed_of(std::nan(""), kNarrow, saturation) == 0);
    CHECK(fixed_of(infinity, kNarrow, saturation) > 8300000);
    CHECK(fixed_of(-infinity, kNarrow, saturation) == -8388608);
  }
}

TEST_CASE("a shifted sum goes towards zero, or to the nearest with ties to even") {
  struct Row {
    std::int64_t v;
    int shift;
    std::int64_t truncated, nearest;
  };
  const Row row = GENERATE(Row{7, 2, 1, 2}, Row{-7, 2, -1, -2}, Row{6, 2, 1, 2}, Row{-6, 2, -1, -2},
                           Row{10, 2, 2, 2}, Row{-10, 2, -2, -2}, Row{5, 2, 1, 1},
                           Row{-5, 2, -1, -1}, Row{0, 2, 0, 0}, Row{-1, 2, 0, 0}, Row{9, 0, 9, 9},
                           Row{-9, 0, -9, -9}, Row{1, 1, 0, 0}, Row{3, 1, 1, 2}, Row{-3, 1, -1, -2},
                           Row{std::int64_t{1} << 61, 31, 1 << 30, 1 << 30});
  CHECK(shifted(row.v, row.shift, FixedRounding::truncate) == row.truncated);
  CHECK(shifted(row.v, row.shift, FixedRounding::nearest) == row.nearest);
}

TEST_CASE("a shifted sum is the quotient's rounding for every small sum") {
  for (std::int64_t v = -300; v <= 300; ++v) {
    for (int shift = 0; shift <= 6; ++shift) {
      const double quotient = static_cast<double>(v) / static_cast<double>(1 << shift);
      CAPTURE(v, shift);
      REQUIRE(static_cast<double>(shifted(v, shift, FixedRounding::truncate)) ==
              std::trunc(quotient));
      REQUIRE(static_cast<double>(shifted(v, shift, FixedRounding::nearest)) ==
              std::nearbyint(quotient));
    }
  }
}

TEST_CASE("document 002's mean is cut twice: to a whole mean, and downwards") {
  const Requantizer q{1, FixedRounding::truncate, -128, 128};
  CHECK(pooled_in_two_steps(-7, 4, 1, q) == -1);  // −1.75 → −1; −0.5 → −1
  CHECK(pooled_in_two_steps(11, 4, 3, q) == 3);   // 2.75 → 2; 3
}

TEST_CASE("an input saturates, and what is no number is 0") {
  CHECK(input_code(0.5F, 5, -8, 7) == 2);
  CHECK(input_code(100, 5, -8, 7) == 7);
  CHECK(input_code(-std::numeric_limits<float>::infinity(), 5, -8, 7) == -8);
  CHECK(input_code(std::nanf(""), 5, -8, 7) == 0);
}

}  // namespace
}  // namespace bitsweep::kernels
