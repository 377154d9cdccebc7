// Trials from configuration to numbers, on the images and weights that the repository carries; and
// on the full data, where it is there.
#include "ptq/trial.h"

#include <algorithm>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <utility>

#include "config/settings.h"
#include "core/error.h"
#include "data/source.h"
#include "exec/device.h"

using namespace bitsweep;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using Keys = std::vector<std::pair<std::string, config::Value>>;
namespace fs = std::filesystem;

namespace {

constexpr const char* kCarriedWeights = "experiments/weights/resnet20_a_akamaster.safetensors";

config::TrialConfig configuration(const Keys& keys) {
  config::Settings settings;
  for (const auto& [key, value] : Keys{{"model.name", "resnet20"},
                                       {"model.shortcut", "A"},
                                       {"model.weights", kCarriedWeights},
                                       {"data.name", "cifar10_small"},
                                       {"data.normalize", "imagenet"},
                                       {"data.test_images", 200},
                                       {"quant.preset", "submission2019"}}) {
    settings.set(key, value, "test");
  }
  for (const auto& [key, value] : keys) settings.set(key, value, "test");
  return config::to_trial(settings);
}

// W4A4, with further keys.
config::TrialConfig four_bits(Keys keys = {}) {
  keys.insert(keys.begin(), {{"quant.scheme", "aciq"},
                             {"quant.weight.bits", 4},
                             {"quant.activation.bits", 4},
                             {"quant.calibration.images", 64},
                             {"quant.calibration.batch_size", 32}});
  return configuration(keys);
}

using Logits = std::vector<std::vector<float>>;

struct Got {
  ptq::Outcome outcome;
  Logits logits;  // by position
  std::vector<std::string> phases;
};

Got run(ptq::Session& session, const config::TrialConfig& config) {
  Logits logits(10000);
  std::vector<std::string> phases;
  ptq::Listener listener;
  listener.logits = [&](std::int64_t position, std::span<const float> values) {
    logits[static_cast<std::size_t>(position)].assign(values.begin(), values.end());
  };
  listener.progress = [&](const char* phase, std::int64_t, std::int64_t) {
    if (phases.empty() || phases.back() != phase) phases.emplace_back(phase);
  };
  ptq::Outcome outcome = session.run(config, listener);
  return {std::move(outcome), std::move(logits), std::move(phases)};
}

Got run(const config::TrialConfig& config) {
  exec::set_threads(1);
  ptq::Session session(at::kCPU);
  return run(session, config);
}

// Of every quantizer; the first channel's.
std::vector<float> range_lengths(const Got& got) {
  std::vector<float> out;
  for (const ptq::Quantizer& quantizer : got.outcome.quantizers) {
    out.push_back(quantizer.ranges.front().length);
  }
  return out;
}

}  // namespace

TEST_CASE("full precision classifies most of the carried images") {
  const Got got = run(configuration({{"quant.scheme", "none"}}));
  CHECK(got.outcome.accuracy.images() == 200);
  CHECK(got.outcome.accuracy.top1() > 0.85);
  CHECK(got.outcome.accuracy.top5() > 0.97);
  CHECK(got.outcome.quantizers.empty());
  CHECK(got.outcome.counts.total.parameters == 269722);
  CHECK(got.phases == std::vector<std::string>{"evaluate"});
}

TEST_CASE("quantization in none but name is the folded network") {
  const Got plain = run(configuration({{"quant.scheme", "none"}}));
  const Got folded = run(configuration({{"quant.scheme", "aciq"},
                                        {"quant.weight.bits", "none"},
                                        {"quant.activation.bits", "none"}}));
  CHECK(folded.outcome.prepared.sites.sites.empty());
  for (std::size_t i = 0; i < 200; ++i) {
    for (std::size_t k = 0; k < 10; ++k) {
      REQUIRE(std::abs(plain.logits[i][k] - folded.logits[i][k]) < 1e-3F);
    }
  }
}

TEST_CASE("what a session keeps does not change a number") {
  exec::set_threads(1);
  ptq::Session session(at::kCPU);
  const Got first = run(session, four_bits());
  run(session, four_bits({{"quant.activation.granularity", "channel"}}));
  const Got again = run(session, four_bits());
  CHECK(first.phases == std::vector<std::string>{"calibrate", "evaluate"});
  CHECK(again.phases == std::vector<std::string>{"evaluate"});
  CHECK(first.logits == again.logits);
  CHECK(first.outcome.accuracy.bitmap() == again.outcome.accuracy.bitmap());
  CHECK(run(four_bits()).logits == first.logits);
}

TEST_CASE("calibrated ranges do not depend on the evaluation batch; dynamic ones do") {
  const config::Value statistics = GENERATE("calibrated", "dynamic");
  const auto lengths = [&](std::int64_t batch) {
    return range_lengths(
        run(four_bits({{"quant.calibration.statistics", statistics}, {"eval.batch_size", batch}})));
  };
  CHECK((lengths(100) == lengths(200)) == (statistics == config::Value("calibrated")));
}

TEST_CASE("a shuffled evaluation gives every image its own place in the bitmap") {
  const Keys dynamic = {{"quant.calibration.statistics", "dynamic"}, {"eval.batch_size", 50}};
  Keys shuffled = dynamic;
  shuffled.emplace_back("eval.shuffle", true);
  const Got straight = run(four_bits(dynamic));
  const Got mixed = run(four_bits(shuffled));
  CHECK(straight.logits != mixed.logits);
  int equal = 0;
  for (std::int64_t i = 0; i < 200; ++i) {
    const auto bit = [&](const Got& got) {
      return got.outcome.accuracy.bitmap()[static_cast<std::size_t>(i / 8)] >> (7 - i % 8) &
             std::byte{1};
    };
    equal += bit(straight) == bit(mixed);
  }
  CHECK(equal > 160);  // by chance alone about 120 would be
}

TEST_CASE("calibration images drawn by a seed are others for another seed") {
  const auto ranges = [](std::int64_t seed) {
    return range_lengths(run(four_bits({{"quant.calibration.order", "random"}, {"seed", seed}})));
  };
  CHECK(ranges(1) == ranges(1));
  CHECK(ranges(1) != ranges(2));
}

TEST_CASE("symmetric and power-of-two quantizers run through a whole network") {
  const Keys keys = GENERATE(
      Keys{{"quant.weight.quantizer", "symmetric"}, {"quant.activation.quantizer", "symmetric"}},
      Keys{{"quant.weight.power_of_two_scale", true},
           {"quant.activation.power_of_two_scale", true}});
  Keys eight = keys;
  eight.insert(eight.end(), {{"quant.weight.bits", 8}, {"quant.activation.bits", 8}});
  CHECK(run(four_bits(eight)).outcome.accuracy.top1() > 0.85);
}

TEST_CASE("weights lie on 2 to the power of bits values") {
  const Got got = run(four_bits({{"quant.weight.granularity", "tensor"}}));
  const graph::Parameters quantized = ptq::quantized_parameters(got.outcome.prepared);
  const auto weight = quantized.values("layer1.0.conv1.weight");
  std::vector<float> values(weight.begin(), weight.end());
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  CHECK(values.size() <= 16);
  CHECK(values.size() > 8);
}

TEST_CASE("what cannot be is refused before anything runs") {
  CHECK_THROWS_AS(run(four_bits({{"quant.calibration.images", 513}})), ConfigError);
  CHECK_THROWS_WITH(run(four_bits({{"data.train_images", 32}})), ContainsSubstring("at most 32"));
  CHECK_THROWS_AS(run(four_bits({{"model.weights", "nowhere.safetensors"}})), DataError);
  CHECK_THROWS_AS(run(four_bits({{"data.test_images", 1001}})), ConfigError);
  CHECK_THROWS_AS(run(four_bits({{"model.name", "resnet56"}})), DataError);  // other weights
}

// ---- The full data. Counts to within two images: README.md of tests/golden, "Whole networks".
// ----

TEST_CASE("ResNet32 and ResNet56 classify as many images of the full test set as published") {
  const auto [name, correct] = GENERATE(std::pair{"resnet32", 9263}, std::pair{"resnet56", 9339});
  std::string weights;
  for (const fs::path& root : data::search_path("")) {
    const fs::path file = root / "weights_cifar10" / (std::string(name) + ".safetensors");
    if (weights.empty() && fs::exists(file)) weights = file.string();
  }
  const data::Dataset& full = data::datasets().get("cifar10");
  if (weights.empty()) SKIP(std::string("no weights of ") + name + " on this machine");
  if (!data::find_file(full, full.test.files.front(), "")) SKIP("no full CIFAR-10 on this machine");
  const Got got = run(configuration({{"model.name", name},
                                     {"model.weights", weights},
                                     {"data.name", "cifar10"},
                                     {"data.test_images", 10000},
                                     {"quant.scheme", "none"}}));
  CHECK(std::abs(got.outcome.accuracy.correct_top1() - correct) <= 2);
}

TEST_CASE("widths are counted as they were allocated") {
  const Got got = run(four_bits({{"quant.weight.granularity", "channel"},
                                 {"quant.weight.bit_allocation", "exact"},
                                 {"quant.weight.average_bits", 3.5},
                                 {"quant.activation.granularity", "channel"},
                                 {"quant.activation.bit_allocation", "round"}}));
  double bits = 0, weights = 0;
  for (std::size_t i = 0; i < got.outcome.quantizers.size(); ++i) {
    const quant::QuantizerSite& site = got.outcome.prepared.sites.sites[i];
    if (site.place != quant::Place::weight) continue;
    const auto& name = got.outcome.prepared.graph().node(site.node).name;
    const auto elements =
        static_cast<double>(got.outcome.prepared.network->weights.values(name + ".weight").size());
    const std::vector<int>& used = got.outcome.quantizers[i].bits;
    double sum = 0;
    for (const int width : used) sum += width;
    CAPTURE(name, sum, used.size());
    if (site.is_allocated()) CHECK(sum == std::floor(3.5 * static_cast<double>(used.size())));
    bits += elements * sum / static_cast<double>(used.size());
    weights += elements;
  }
  CHECK(got.outcome.counts.total.weight_bits_average == Approx(bits / weights));
  CHECK(got.outcome.counts.total.weight_bits_average < 3.6);  // first and last layer have 8
}

TEST_CASE("corrected weights have the means of the weights, channel by channel") {
  const Got got = run(four_bits(
      {{"quant.weight.granularity", "channel"}, {"quant.weight.bias_correction", "mean"}}));
  const graph::Parameters quantized = ptq::quantized_parameters(got.outcome.prepared);
  for (const std::string name : {"conv1.weight", "layer2.1.conv2.weight", "linear.weight"}) {
    CAPTURE(name);
    const auto before = got.outcome.prepared.network->weights.values(name);
    const auto after = quantized.values(name);
    const std::size_t size = name == "conv1.weight" ? 27 : name == "linear.weight" ? 64 : 288;
    CHECK(!std::ranges::equal(before, after));
    for (std::size_t begin = 0; begin < before.size(); begin += size) {
      const auto sum = [&](auto values) {
        const auto channel = values.subspan(begin, size);
        return std::accumulate(channel.begin(), channel.end(), 0.0);
      };
      CHECK(sum(after) == Approx(sum(before)).margin(1e-4));
    }
  }
}

TEST_CASE("outputs are corrected where their width is no policy's, from calibration alone") {
  const Got got = run(four_bits({{"quant.activation.bias_correction", "mean"}}));
  const Got plain = run(four_bits());
  int corrected = 0;
  for (std::size_t i = 0; i < got.outcome.quantizers.size(); ++i) {
    const quant::QuantizerSite& site = got.outcome.prepared.sites.sites[i];
    const auto& name = got.outcome.prepared.graph().node(site.node).name;
    CAPTURE(name);
    const bool expected = site.place == quant::Place::output && name != "conv1" && name != "linear";
    CHECK(got.outcome.quantizers[i].positive_shifts.empty() != expected);
    corrected += expected;
  }
  CHECK(corrected == 18);
  CHECK(got.logits != plain.logits);
  CHECK_THROWS_WITH(run(four_bits({{"quant.activation.bias_correction", "mean"},
                                   {"quant.calibration.statistics", "dynamic"}})),
                    ContainsSubstring("needs quant.calibration.statistics"));
}
