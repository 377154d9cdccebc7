#include "kernels/min_max.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "cases.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;

TEST_CASE("min_max finds the extremes wherever they stand", "[kernels][min_max]") {
  const std::int64_t size = GENERATE(from_range(kSizes));
  for (std::int64_t at = 0; at < size; at += 1 + size / 7) {
    std::vector<float> x(static_cast<std::size_t>(size), 0.5f);
    x[static_cast<std::size_t>(at)] = -2.0f;
    x[static_cast<std::size_t>((at + size / 2) % size)] += 3.0f;
    const auto expected = std::minmax_element(x.begin(), x.end());
    CHECK(min_max_cpu(x.data(), size) == MinMax{*expected.first, *expected.second, 0});
  }
}

TEST_CASE("min_max reports NaN and takes the extremes of the rest", "[kernels][min_max]") {
  const std::int64_t size = GENERATE(1, 5, 32, 33, 100);
  std::vector<float> x(static_cast<std::size_t>(size), 1.5f);
  x.back() = kNan;
  const MinMax result = min_max_cpu(x.data(), size);
  CHECK(result.has_nan == 1);
  CHECK(result.min == (size == 1 ? kInf : 1.5f));
  CHECK(result.max == (size == 1 ? -kInf : 1.5f));
}

TEST_CASE("min_max includes infinities and returns plus zero", "[kernels][min_max]") {
  const std::vector<float> x{-0.0f, -0.0f};
  const MinMax zero = min_max_cpu(x.data(), 2);
  CHECK_FALSE(std::signbit(zero.min));
  CHECK_FALSE(std::signbit(zero.max));
  const std::vector<float> infinite{-kInf, 0.0f, kInf};
  CHECK(min_max_cpu(infinite.data(), 3) == MinMax{-kInf, kInf, 0});
}

TEST_CASE("min_max of nothing is an inverted range", "[kernels][min_max]") {
  CHECK(min_max_cpu(nullptr, 0) == MinMax{kInf, -kInf, 0});
}

TEST_CASE("min_max per channel reads [outer, channels, inner]", "[kernels][min_max]") {
  // Two samples of three channels of two pixels.
  const std::vector<float> x{1, 2, 10, 20, -1, -2, 3, 4, 30, 40, -3, kNan};
  std::vector<MinMax> channels(3);
  min_max_cpu(x.data(), {2, 3, 2}, channels.data());
  CHECK(channels[0] == MinMax{1, 4, 0});
  CHECK(channels[1] == MinMax{10, 40, 0});
  CHECK(channels[2] == MinMax{-3, -1, 1});
  std::vector<MinMax> samples(2);
  min_max_cpu(x.data(), {1, 2, 6}, samples.data());
  CHECK(samples[0] == MinMax{-2, 20, 0});
  CHECK(samples[1] == MinMax{-3, 40, 1});
}

TEST_CASE("min_max of parts merges to min_max of the whole", "[kernels][min_max]") {
  const auto x = inputs(1000, 0.3f, 5);
  const std::int64_t cut = GENERATE(0, 1, 31, 500, 1000);
  CHECK(merge(min_max_cpu(x.data(), cut), min_max_cpu(x.data() + cut, 1000 - cut)) ==
        min_max_cpu(x.data(), 1000));
}
