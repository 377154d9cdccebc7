#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <random>

#include "kernels/tanh_math.h"

using bitsweep::kernels::tanh_formula;

namespace {

double relative_error(double x) {
  const long double exact = tanhl(static_cast<long double>(x));
  return static_cast<double>(
      std::fabs((static_cast<long double>(tanh_formula(x)) - exact) / exact));
}

}  // namespace

TEST_CASE("tanh_formula keeps zeros, infinities and NaN", "[kernels][tanh]") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const auto bits = [](double x) { return std::bit_cast<std::uint64_t>(tanh_formula(x)); };
  CHECK(bits(0.0) == std::bit_cast<std::uint64_t>(0.0));
  CHECK(bits(-0.0) == std::bit_cast<std::uint64_t>(-0.0));
  CHECK(tanh_formula(kInfinity) == 1.0);
  CHECK(tanh_formula(-kInfinity) == -1.0);
  CHECK(std::isnan(tanh_formula(std::numeric_limits<double>::quiet_NaN())));
}

TEST_CASE("tanh_formula of tiny numbers is the number, of large ones is 1", "[kernels][tanh]") {
  for (const double tiny : {5e-324, 1e-300, 1e-45, 1e-20, 1e-9}) {
    CHECK(tanh_formula(tiny) == tiny);
    CHECK(tanh_formula(-tiny) == -tiny);
  }
  for (const double large : {19.1, 21.999, 22.0, 22.001, 100.0, 1e300}) {
    CHECK(tanh_formula(large) == 1.0);
    CHECK(tanh_formula(-large) == -1.0);
  }
}

TEST_CASE("tanh_formula is within 1e-15 of tanh wherever it is called", "[kernels][tanh]") {
  // Where the range reduction changes its k, and around the end of the range.
  for (int k = 0; k <= 64; ++k)
    for (const double nudge : {-1e-9, -1e-15, 0.0, 1e-15, 1e-9}) {
      const double x = (k + 0.5) * 0.5 * std::log(2.0) + nudge;
      CAPTURE(k, x);
      CHECK(relative_error(x) < 1e-15);
    }
  std::mt19937_64 random(7);
  std::uniform_real_distribution<double> exponent(-60.0, 5.0), sign(-1.0, 1.0);
  double worst = 0.0;
  for (int i = 0; i < 200'000; ++i)
    worst =
        std::max(worst, relative_error(std::copysign(std::exp2(exponent(random)), sign(random))));
  CHECK(worst < 1e-15);
}

TEST_CASE("tanh_formula is odd and stays within one", "[kernels][tanh]") {
  std::mt19937_64 random(8);
  std::normal_distribution<double> normal(0.0, 5.0);
  for (int i = 0; i < 100'000; ++i) {
    const double x = normal(random), y = tanh_formula(x);
    if (std::fabs(y) > 1.0 || tanh_formula(-x) != -y) FAIL("tanh_formula(" << x << ") = " << y);
  }
}
