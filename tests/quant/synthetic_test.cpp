#include "quant/synthetic.h"

#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>

using namespace bitsweep::quant;
using Catch::Approx;

TEST_CASE("drawn values have the scale asked for, and depend on seed and run alone") {
  for (const Prior prior : {Prior::laplace, Prior::gauss}) {
    const auto x = drawn_values(prior, 2, 50000, 1, 0);
    double sum = 0, absolute = 0, squares = 0;
    for (const double v : x) {
      sum += v;
      absolute += std::abs(v);
      squares += v * v;
    }
    CHECK(sum / 50000 == Approx(0).margin(0.05));
    if (prior == Prior::laplace) CHECK(absolute / 50000 == Approx(2).epsilon(0.02));
    if (prior == Prior::gauss) CHECK(std::sqrt(squares / 50000) == Approx(2).epsilon(0.02));
    CHECK(drawn_values(prior, 2, 100, 1, 0) == std::vector<double>(x.begin(), x.begin() + 100));
    CHECK(drawn_values(prior, 2, 100, 1, 1) != std::vector<double>(x.begin(), x.begin() + 100));
    CHECK(drawn_values(prior, 2, 100, 2, 0) != std::vector<double>(x.begin(), x.begin() + 100));
  }
}

TEST_CASE("document 004's curve has its least error at 10.06, 0.184, and lies below the formula") {
  const auto alphas = evenly_spaced(5, 20, 0.1);
  REQUIRE(alphas.size() == 151);
  const auto analytic = analytic_curve(Prior::laplace, 2, 4, alphas);
  const auto least =
      static_cast<std::size_t>(std::ranges::min_element(analytic) - analytic.begin());
  CHECK(alphas[least] == Approx(10.1).margin(0.051));
  CHECK(analytic[least] == Approx(0.1841).margin(0.0001));
  const auto simulated = simulated_curve(drawn_values(Prior::laplace, 2, 100000, 0, 0), 4, alphas);
  for (std::size_t i = 0; i < alphas.size(); ++i) {
    CHECK(simulated[i] == Approx(analytic[i]).epsilon(0.08));
  }
}

TEST_CASE("two channels share their bins as equation 10 says") {
  CHECK(best_share(std::sqrt(8.0), 1) == Approx(2.0 / 3));
  CHECK(best_share(1, 1) == 0.5);
  const auto shares = evenly_spaced(0.15, 0.85, 0.01);
  const auto curve = split_curve({.sigma1 = std::sqrt(8.0)}, shares, 3, 0);
  const auto least = std::ranges::min_element(curve) - curve.begin();
  CHECK(shares[static_cast<std::size_t>(least)] == Approx(2.0 / 3).margin(0.06));
}

TEST_CASE("a mean is told in steps of the channel's own range; a constant has none") {
  CHECK(mean_in_steps(std::vector<float>{0, 1, 2, 5}, 4) == Approx(16 * 2.0 / 5));
  CHECK(mean_in_steps(std::vector<float>{-1, 1}, 4) == 0);
  CHECK(mean_in_steps(std::vector<float>{3, 3}, 4) == 0);
}
