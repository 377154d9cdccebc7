#include "report/statistics.h"

#include <array>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <vector>

using namespace bitsweep::report;
using Catch::Approx;

TEST_CASE("summarize gives the mean and the unbiased standard deviation") {
  const Sample sample = summarize(std::vector<double>{1, 2, 3, 4, 5});
  CHECK(sample.n == 5);
  CHECK(sample.mean == 3);
  CHECK(sample.sd == Approx(std::sqrt(2.5)).epsilon(1e-14));
}

TEST_CASE("equal values have no spread even where their sum rounds") {
  const Sample sample = summarize(std::vector<double>(3, 0.1));
  CHECK(sample.mean == 0.1);
  CHECK(sample.sd == 0);
}

TEST_CASE("t_interval uses Student's quantiles") {
  // t(4, 0.975) = 2.776445105, t(1, 0.975) = 12.70620474.
  const Interval five = t_interval({5, 3, std::sqrt(2.5)});
  CHECK(five.upper - 3 == Approx(2.776445105 * std::sqrt(2.5) / std::sqrt(5)).epsilon(1e-9));
  CHECK(3 - five.lower == Approx(five.upper - 3).epsilon(1e-12));
  const Interval two = t_interval({2, 0, 1});
  CHECK(two.upper == Approx(12.70620474 / std::sqrt(2)).epsilon(1e-9));
}

TEST_CASE("clopper_pearson agrees with its closed forms and tables") {
  // No success in n: upper end 1 − 0.025^(1/n).
  const Interval none = clopper_pearson({0, 10});
  CHECK(none.lower == 0);
  CHECK(none.upper == Approx(1 - std::pow(0.025, 0.1)).epsilon(1e-12));
  const Interval all = clopper_pearson({10, 10});
  CHECK(all.lower == Approx(std::pow(0.025, 0.1)).epsilon(1e-12));
  CHECK(all.upper == 1);
  const Interval half = clopper_pearson({5, 10});
  CHECK(half.lower == Approx(0.1870860).margin(1e-6));
  CHECK(half.upper == Approx(0.8129140).margin(1e-6));
}

TEST_CASE("mcnemar_from_counts sums the binomial tail exactly") {
  // 1 against 9: 2 (1 + 10) / 1024; the mid-p takes off 10 / 1024.
  const McNemar test = mcnemar_from_counts(100, 1, 9);
  CHECK(test.p_exact == Approx(22.0 / 1024).epsilon(1e-12));
  CHECK(test.p_mid == Approx(12.0 / 1024).epsilon(1e-12));
  CHECK(mcnemar_from_counts(100, 9, 1).p_exact == Approx(test.p_exact).epsilon(1e-14));
  CHECK(mcnemar_from_counts(100, 5, 5).p_exact == 1);
  CHECK(mcnemar_from_counts(100, 5, 5).p_mid == Approx(1).epsilon(1e-12));
  CHECK(mcnemar_from_counts(100, 0, 0).p_exact == 1);
}

TEST_CASE("mcnemar counts images from the most significant bit and ignores padding") {
  // Ten images; the first is right only in `a`, the last only in `b`; six padding bits differ.
  const std::array a{std::byte{0b1100'0000}, std::byte{0b1011'1111}};
  const std::array b{std::byte{0b0100'0000}, std::byte{0b1100'0000}};
  const McNemar test = mcnemar(a, b, 10);
  CHECK(test.only_first == 1);
  CHECK(test.only_second == 1);
  CHECK(test.images == 10);
}

TEST_CASE("images_to_decide is the first number whose interval is narrow enough") {
  // 50 of 100 has the tabulated interval [0.3983, 0.6017]: not yet ± 0.1.
  CHECK(clopper_pearson({50, 100}).lower == Approx(0.3983).margin(5e-5));
  const auto n = images_to_decide(0.5, 0.1);
  REQUIRE(n.has_value());
  CHECK(*n > 100);
  CHECK(*n < 110);
  const std::int64_t even = *n + *n % 2;
  CHECK(clopper_pearson({even / 2, even}).upper <= 0.6);
  CHECK_FALSE(images_to_decide(0.9, 0).has_value());
}

TEST_CASE("seeds_to_decide is the first number whose t interval is narrow enough") {
  // sd = margin: 7 seeds give t(6) / √7 = 0.925 ≤ 1, 6 seeds give t(5) / √6 = 1.049 > 1.
  CHECK(seeds_to_decide(0.01, 0.01) == 7);
  CHECK_FALSE(seeds_to_decide(0.01, -0.001).has_value());
}
