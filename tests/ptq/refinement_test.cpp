// What goes beyond document 004, on the images and weights that the repository carries:
// cross-layer equalization, batch-norm re-estimation, adaptive rounding; and evaluation on
// validation images.
#include "ptq/refinement.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <set>
#include <utility>

#include "config/settings.h"
#include "core/error.h"
#include "exec/device.h"
#include "ptq/trial.h"

namespace bitsweep::ptq {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using Keys = std::vector<std::pair<std::string, config::Value>>;

// Weights of 3 bits on one grid a tensor, activations as they are: where rounding hurts most.
config::TrialConfig three_bits(Keys keys = {}) {
  keys.insert(keys.begin(),
              {{"model.name", "resnet20"},
               {"model.weights", "experiments/weights/resnet20_a_akamaster.safetensors"},
               {"data.name", "cifar10_small"},
               {"data.normalize", "imagenet"},
               {"data.test_images", 200},
               {"quant.scheme", "aciq"},
               {"quant.preset", "submission2019"},
               {"quant.weight.bits", 3},
               {"quant.activation.bits", "none"},
               {"quant.calibration.images", 64}});
  config::Settings settings;
  for (const auto& [key, value] : keys) settings.set(key, value, "test");
  return config::to_trial(settings);
}

Outcome run(const config::TrialConfig& config) {
  exec::set_threads(1);
  return Session(at::kCPU).run(config, {});
}

TEST_CASE("an equalized network computes what it computed") {
  const Keys full = {{"quant.weight.bits", "none"}};
  const Outcome plain = run(three_bits(full));
  const Outcome equalized =
      run(three_bits({full.front(), {"quant.cross_layer_equalization", true}}));
  CHECK(equalized.accuracy.correct_top1() == plain.accuracy.correct_top1());
  CHECK(std::abs(equalized.accuracy.loss() - plain.accuracy.loss()) < 1e-5);
  const auto weight = [](const Outcome& outcome) {
    return outcome.prepared.network->weights.values("layer1.0.conv1.weight")[0];
  };
  CHECK(weight(equalized) != weight(plain));
}

TEST_CASE("equalization, re-estimation and adaptive rounding each help weights of 3 bits") {
  const double plain = run(three_bits()).accuracy.loss();
  CHECK(run(three_bits({{"quant.cross_layer_equalization", true}})).accuracy.loss() < plain);
  CHECK(run(three_bits({{"quant.batch_norm_reestimation", true}})).accuracy.loss() < plain);
  CHECK(run(three_bits({{"quant.weight.adaptive_rounding", true},
                        {"quant.weight.adaptive_rounding_steps", 100}}))
            .accuracy.loss() < plain);
}

TEST_CASE("adaptive rounding moves weights to a neighbouring code and nowhere else") {
  const Outcome nearest = run(three_bits());
  const Outcome adapted = run(three_bits(
      {{"quant.weight.adaptive_rounding", true}, {"quant.weight.adaptive_rounding_steps", 30}}));
  std::int64_t moved = 0;
  for (std::size_t i = 0; i < nearest.prepared.weights.size(); ++i) {
    if (nearest.prepared.weights[i] == nullptr) continue;
    const QuantizedWeight& before = *nearest.prepared.weights[i];
    const QuantizedWeight& after = *adapted.prepared.weights[i];
    const float step = before.quantizer.grids.front().scale;
    std::set<float> values(after.values.begin(), after.values.end());
    CHECK(values.size() <= std::size_t{1} << before.quantizer.bits.front());
    for (std::size_t k = 0; k < before.values.size(); ++k) {
      const float distance = std::abs(after.values[k] - before.values[k]);
      if (distance > 0) ++moved;
      REQUIRE(distance < 1.001f * step);
    }
  }
  CHECK(moved > 0);
}

TEST_CASE("re-estimation scales each channel of a weight by one factor") {
  const Outcome plain = run(three_bits());
  const Outcome tuned = run(three_bits({{"quant.batch_norm_reestimation", true}}));
  const QuantizedWeight& before = *plain.prepared.weights[2];
  const QuantizedWeight& after = *tuned.prepared.weights[2];
  REQUIRE(after.bias.size() == 16);
  CHECK(before.bias.empty());
  const std::size_t row = before.values.size() / 16;
  int scaled = 0;  // a channel may have rounded to zeros alone
  for (std::size_t c = 0; c < 16; ++c) {
    double factor = 0;
    for (std::size_t k = c * row; k < (c + 1) * row; ++k) {
      if (before.values[k] == 0) {
        REQUIRE(after.values[k] == 0);
      } else if (factor == 0) {
        factor = static_cast<double>(after.values[k]) / before.values[k];
      } else {
        REQUIRE(std::abs(after.values[k] / before.values[k] - factor) < 1e-5);
      }
    }
    if (factor > 0) ++scaled;
  }
  CHECK(scaled > 8);
}

TEST_CASE("what reads calibration images is refused where there are none") {
  for (const char* key : {"quant.weight.adaptive_rounding", "quant.batch_norm_reestimation"}) {
    CHECK_THROWS_MATCHES(
        run(three_bits({{"quant.calibration.statistics", "dynamic"}, {key, true}})), ConfigError,
        MessageMatches(ContainsSubstring("statistics = \"calibrated\"")));
  }
}

TEST_CASE("a trial may be evaluated on validation images instead of the test set") {
  const Outcome test = run(three_bits());
  const Outcome validation =
      run(three_bits({{"eval.split", "validation"}, {"data.validation_images", 100}}));
  CHECK(validation.accuracy.images() == 100);
  CHECK(test.accuracy.images() == 200);
  CHECK(validation.accuracy.loss() != test.accuracy.loss());
  CHECK_THROWS_MATCHES(three_bits({{"eval.split", "validation"}}), ConfigError,
                       MessageMatches(ContainsSubstring("needs data.validation_images")));
}

}  // namespace
}  // namespace bitsweep::ptq
