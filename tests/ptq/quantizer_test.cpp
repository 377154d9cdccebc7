#include "ptq/quantizer.h"

#include <catch2/catch_test_macros.hpp>

using namespace bitsweep;
using namespace bitsweep::ptq;
using config::Granularity;
using config::Ties;
using quant::QuantizerSite;
using quant::RangeRule;
using Values = std::vector<float>;

namespace {

Values quantized(const Quantizer& quantizer, Values x, std::int64_t channels) {
  quantizer.apply(x.data(), {1, channels, static_cast<std::int64_t>(x.size()) / channels});
  return x;
}

// Statistics of two channels: [-1, 3] and [-4, 1]; samples reach from -2 to 2 on average.
TensorStatistics two_channels() {
  TensorStatistics s;
  s.tensor = {.min = -4, .max = 3};
  s.sample_min = -2;
  s.sample_max = 2;
  s.channels = {{.min = -1, .max = 3}, {.min = -4, .max = 1}};
  return s;
}

}  // namespace

TEST_CASE("a weight gets one grid for all, or one per output channel") {
  const Values weight = {-1, 0.4F, 2, 10, 20, 40};
  QuantizerSite site{.place = quant::Place::weight, .bits = 2};
  const Quantizer whole = weight_quantizer(site, weight, 2, "w");
  REQUIRE(whole.ranges.size() == 1);
  CHECK(whole.ranges[0].lower == -1);
  CHECK(whole.ranges[0].length == 41);
  site.granularity = Granularity::channel;
  const Quantizer each = weight_quantizer(site, weight, 2, "w");
  REQUIRE(each.ranges.size() == 2);
  CHECK(each.ranges[0].length == 3);
  CHECK(each.ranges[1].lower == 10);
  // Steps of 1 from -1 (zero point 1); steps of 10 from 10 (zero point -1).
  CHECK(quantized(each, weight, 2) == Values{-1, 0, 2, 10, 20, 40});
}

TEST_CASE("activation ranges follow granularity, range rule and half range") {
  QuantizerSite site;
  const auto range = [&] { return activation_quantizer(site, two_channels()).ranges; };
  CHECK(range()[0].lower == -4);
  CHECK(range()[0].length == 7);
  site.range = RangeRule::sample_mean;
  CHECK(range()[0].lower == -2);
  CHECK(range()[0].length == 4);
  site.half_range = true;
  CHECK(range()[0].lower == 0);
  CHECK(range()[0].length == 2);
  site.granularity = Granularity::channel;
  REQUIRE(range().size() == 2);
  CHECK(range()[0].length == 3);
  CHECK(range()[1].length == 1);
}

TEST_CASE("ties go to even or away from zero, as the site says") {
  TensorStatistics s;
  s.tensor = {.min = 0, .max = 3};
  QuantizerSite site{.bits = 2};  // steps of 1
  CHECK(quantized(activation_quantizer(site, s), {0.5F, 1.5F, 2.5F}, 1) == Values{0, 2, 2});
  site.ties = Ties::away;
  CHECK(quantized(activation_quantizer(site, s), {0.5F, 1.5F, 2.5F}, 1) == Values{1, 2, 3});
}

TEST_CASE("a half-range grid performs the ReLU, even where nothing is above 0") {
  for (const Ties ties : {Ties::even, Ties::away}) {
    TensorStatistics s;
    s.tensor = {.min = -3, .max = -1};
    const QuantizerSite site{.bits = 4, .ties = ties, .half_range = true};
    CHECK(quantized(activation_quantizer(site, s), {-3, -1}, 1) == Values{0, 0});
    s.tensor.max = 15;
    CHECK(quantized(activation_quantizer(site, s), {-3, 7, 20}, 1) == Values{0, 7, 15});
  }
}

TEST_CASE("a symmetric grid is signed and narrow, or unsigned where a ReLU is performed") {
  TensorStatistics s;
  s.tensor = {.min = -7, .max = 3};
  QuantizerSite site{.bits = 4, .quantizer = "symmetric"};  // codes -7 … 7, steps of 1
  CHECK(quantized(activation_quantizer(site, s), {-9, -6.6F, 0.4F, 9}, 1) == Values{-7, -7, 0, 7});
  s.tensor.max = 15;
  site.half_range = true;
  CHECK(quantized(activation_quantizer(site, s), {-9, 0.4F, 14.6F}, 1) == Values{0, 0, 15});
  site.half_range = false;
  site.bits = 1;
  CHECK_THROWS_AS(activation_quantizer(site, s), ConfigError);
}

TEST_CASE("a power-of-two scale is the next one up") {
  TensorStatistics s;
  s.tensor = {.min = 0, .max = 9};
  QuantizerSite site{.bits = 2, .power_of_two_scale = true};  // 3 becomes 4
  CHECK(quantized(activation_quantizer(site, s), {3.9F, 9, 20}, 1) == Values{4, 8, 12});
  s.tensor.min = -9;  // max |x| = 9 over the one positive code
  site.quantizer = "symmetric";
  CHECK(quantized(activation_quantizer(site, s), {7, 9, -9}, 1) == Values{0, 16, -16});
}

TEST_CASE("constant and all-zero tensors stay finite") {
  for (const Ties ties : {Ties::even, Ties::away}) {
    const QuantizerSite site{.place = quant::Place::weight, .bits = 4, .ties = ties};
    CHECK(quantized(weight_quantizer(site, Values{0, 0}, 1, "w"), {0, 0}, 1) == Values{0, 0});
    const Values constant = quantized(weight_quantizer(site, Values{2, 2}, 1, "w"), {2, 2}, 1);
    CHECK(constant[0] == 2);
  }
}

TEST_CASE("codes and values belong together") {
  const Values weight = {-1, 0.4F, 2, 1.1F};
  const QuantizerSite site{.place = quant::Place::weight, .bits = 4};
  const Quantizer quantizer = weight_quantizer(site, weight, 1, "w");
  std::vector<std::int32_t> codes(4);
  quantizer.codes(weight.data(), codes.data(), {1, 1, 4});
  const Values values = quantized(quantizer, weight, 1);
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(values[i] == kernels::dequantize(static_cast<float>(codes[i]), quantizer.grids[0]));
  }
}
