#include "quant/clipping.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <set>

#include "config/schema.h"
#include "core/error.h"
#include "quant/clipping_noise.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using Catch::Approx;
using config::ClippingConstants;

namespace {

const Statistics kStatistics{.min = -1, .max = 9, .mean = 0.5, .std = 2, .b = 1};

kernels::RealRange range(const char* rule, const ClippingRequest& request,
                         const Statistics& statistics = kStatistics) {
  const ChosenClipping chosen = clipping_named(rule);
  ClippingRequest with_parameter = request;
  with_parameter.parameter = chosen.parameter;
  return chosen.rule->range(statistics, with_parameter);
}

}  // namespace

TEST_CASE("the optimum costs less than its neighbours, for both priors and real levels") {
  for (const Prior prior : {Prior::laplace, Prior::gauss}) {
    for (const double levels : {0.1, 1.0, 3.5, 16.0, 65536.0}) {
      CAPTURE(static_cast<int>(prior), levels);
      const double best = optimal_clipping(prior, levels);
      CHECK(clipping_mse(prior, best, levels) < clipping_mse(prior, best * 1.001, levels));
      CHECK(clipping_mse(prior, best, levels) < clipping_mse(prior, best * 0.999, levels));
    }
  }
}

TEST_CASE("one side with M bits clips as two sides with M + 1, at half the error") {
  for (const Prior prior : {Prior::laplace, Prior::gauss}) {
    CHECK(one_sided_optimal_clipping(prior, 16) == optimal_clipping(prior, 32));
    CHECK(one_sided_clipping_mse(prior, 3, 16) == clipping_mse(prior, 3, 32) / 2);
  }
}

TEST_CASE("published constants are within 0.02 of the optimum, and end where the source does") {
  for (const Prior prior : {Prior::laplace, Prior::gauss}) {
    for (int bits = prior == Prior::laplace ? 0 : 1; bits <= 8; ++bits) {
      for (const bool one_sided : {false, true}) {
        CAPTURE(bits, one_sided);
        const double exact = optimal_clipping(prior, std::ldexp(1.0, bits + one_sided));
        CHECK(std::abs(*published_clipping(prior, bits, one_sided) - exact) < 0.02);
      }
    }
    CHECK_FALSE(published_clipping(prior, 9, false));
  }
  CHECK_FALSE(published_clipping(Prior::gauss, 0, true));
}

TEST_CASE("a fine grid costs what the formula says, and a coarse one more") {
  for (const Prior prior : {Prior::laplace, Prior::gauss}) {
    for (const int bits : {2, 12}) {
      const double levels = std::ldexp(1.0, bits);
      const auto alpha = static_cast<float>(optimal_clipping(prior, levels));
      const double real = grid_mse(prior, kernels::affine_grid({-alpha, 2 * alpha}, bits));
      const double formula = clipping_mse(prior, alpha, levels);
      CAPTURE(bits, real, formula);
      if (bits == 2) CHECK(real > 1.3 * formula);
      if (bits == 12) CHECK(real == Approx(formula).epsilon(2e-3));  // one step in 4096 fewer
    }
  }
}

TEST_CASE(
    "two sides begin at the mean less alpha, or at the smallest value, and keep their length") {
  CHECK(range("std:2", {.bits = 4}).lower == -1);
  CHECK(range("std:2", {.bits = 4}).length == 8);
  CHECK(range("std:0.5", {.bits = 4}).lower == -0.5F);
  CHECK(range("std:0.5", {.bits = 4}).length == 2);
}

TEST_CASE("where a ReLU is performed the range ends at the mean, if positive, plus alpha") {
  CHECK(range("std:2", {.bits = 4, .half_range = true}).lower == 0);
  CHECK(range("std:2", {.bits = 4, .half_range = true}).length == 4.5F);
  Statistics negative = kStatistics;
  negative.mean = -3;
  CHECK(range("std:2", {.bits = 4, .half_range = true}, negative).length == 4);
}

TEST_CASE("laplace goes by b and gauss by the standard deviation, exact or as published") {
  const ClippingRequest exact{.bits = 4};
  const ClippingRequest published{.bits = 4, .constants = ClippingConstants::two_decimals};
  CHECK(range("laplace", exact).length == Approx(2 * 5.02864014));
  CHECK(range("laplace", published).length == Approx(2 * 5.03));
  CHECK(range("gauss", exact).length == Approx(4 * 2.55913646));
  CHECK(range("gauss", published).length == Approx(4 * 2.55));
  // The source has no constant for 12 bits: the optimum itself.
  const ClippingRequest wide{.bits = 12, .constants = ClippingConstants::two_decimals};
  CHECK(range("laplace", wide).length == Approx(2 * optimal_clipping(Prior::laplace, 4096)));
}

TEST_CASE("mix takes the prior that expects the smaller error") {
  const ClippingRequest request{.bits = 4};
  Statistics gauss = kStatistics;
  gauss.b = std::sqrt(2 / 3.14159265) * gauss.std;
  CHECK(range("mix", request, gauss).length == range("gauss", request, gauss).length);
  Statistics heavy = kStatistics;
  heavy.b = 0.2 * heavy.std;  // few values far out
  CHECK(range("mix", request, heavy).length == range("laplace", request, heavy).length);
}

TEST_CASE("the words of the key are the words of the registry") {
  std::set<std::string> of_key;
  for (std::string word :
       config::schema()[config::require_key("quant.activation.clipping", "test")].words) {
    of_key.insert(word.substr(0, word.find(':')));
  }
  const auto names = clippings().names();
  CHECK(of_key == std::set<std::string>(names.begin(), names.end()));
}

TEST_CASE("a clipping rule that is none is refused by name") {
  CHECK_THROWS_AS(clipping_named("laplce"), ConfigError);
  CHECK_THROWS_AS(clipping_named("std:-1"), ConfigError);
  CHECK_THROWS_AS(clipping_named("std:two"), ConfigError);
}
