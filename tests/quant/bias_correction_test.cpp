#include "quant/bias_correction.h"

#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>

#include "core/error.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using Catch::Approx;
using Values = std::vector<float>;

namespace {

// Two channels. Means 2 and 0, of the quantized 3 and 0.5; deviations of the quantized twice and
// half as large.
const Values kWeight = {1, 3, -2, 2};
const Values kQuantized = {1, 5, -0.5F, 1.5F};

Values corrected(const char* rule, Values quantized = kQuantized) {
  apply_corrections(weight_corrections(rule, kWeight, quantized, 2), quantized);
  return quantized;
}

void check(const Values& got, const Values& want) {
  REQUIRE(got.size() == want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(got[i] == Approx(want[i]).margin(1e-6));
  }
}

}  // namespace

TEST_CASE("mean shifts each channel to the mean of its weights") {
  check(corrected("mean"), {0, 4, -1, 1});
}

TEST_CASE("variance stretches around the quantized mean, mean_variance around the true one") {
  check(corrected("variance"), {2, 4, -1.5F, 2.5F});
  check(corrected("mean_variance"), {1, 3, -2, 2});
}

TEST_CASE("the paper shifts before it stretches, so that another mean comes out") {
  // ξ = 1/2 and 2, μ = −1 and −1/2.
  check(corrected("paper"), {0, 2, -2, 2});
}

TEST_CASE("a channel that quantization made constant is shifted, not stretched") {
  const Values constant = {0.1F, 0.1F, 0.1F, 0.1F};
  check(corrected("mean_variance", constant), {2, 2, 0, 0});
  check(corrected("variance", constant), constant);
  check(corrected("paper", constant), {2, 2, 0, 0});
}

TEST_CASE("a correction that is none is refused by name") {
  CHECK_THROWS_AS(weight_corrections("means", kWeight, kQuantized, 2), ConfigError);
}

TEST_CASE("activation correction makes the sums agree by what it adds to positive values") {
  Values y = {0, 1, 0, 2};
  ActivationSums sums;
  add_sums(Values{-5, 1.5F, 0.4F, 2.5F}, y, true, sums);
  CHECK(sums.positive == 3);
  CHECK(sums.correction() == Approx((4.4 - 3) / 3));
  correct_positive(0.5, y);
  CHECK(y == Values{0, 1.5F, 0, 2.5F});
  CHECK(ActivationSums{}.correction() == 0);
}
