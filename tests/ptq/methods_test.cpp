// Trials of document 004's further methods on the carried network and images.
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <set>
#include <span>

#include "config/settings.h"
#include "exec/device.h"
#include "ptq/histograms.h"
#include "ptq/trial.h"
#include "resnet20.h"

using namespace bitsweep;
using Catch::Matchers::ContainsSubstring;
using testing::Keys;

namespace {

config::TrialConfig configuration(const Keys& keys) {
  return config::to_trial(testing::resnet20({{"data.test_images", 100},
                                             {"quant.weight.bits", 4},
                                             {"quant.activation.bits", 4},
                                             {"quant.activation.granularity", "channel"},
                                             {"quant.calibration.images", 64},
                                             {"quant.calibration.batch_size", 32}},
                                            keys));
}

ptq::Outcome run(ptq::Session& session, const Keys& keys) {
  exec::set_threads(1);
  return session.run(configuration(keys), {});
}

}  // namespace

TEST_CASE("percentile, mse and kl quantize better than guessing, calibrated and dynamic") {
  ptq::Session session(at::kCPU);
  for (const char* clipping : {"percentile", "mse", "kl"}) {
    for (const char* granularity : {"tensor", "channel"}) {
      CAPTURE(clipping, granularity);
      const Keys keys = {{"quant.activation.clipping", clipping},
                         {"quant.activation.granularity", granularity},
                         {"quant.activation.bits", 5}};
      CHECK(run(session, keys).accuracy.top1() > 0.5);
    }
  }
  CHECK(run(session,
            {{"quant.activation.clipping", "mse"}, {"quant.calibration.statistics", "dynamic"}})
            .accuracy.top1() > 0.5);
}

TEST_CASE("histograms keep the values of small outputs, of all batches together") {
  const ptq::Detail both{.histogram_of_tensor = true, .histogram_of_channels = true};
  const auto batch = [&](std::int64_t channels, std::int64_t edge, float value) {
    return ptq::statistics(
        at::full({2, channels, edge, edge}, value, at::TensorOptions(at::kFloat)), both, "test");
  };
  ptq::TensorStatistics small = batch(3, 4, 1);
  ptq::merge_histograms(small, batch(3, 4, -2));
  CHECK(small.tensor.histogram->values().size() == 2 * 96);
  for (const auto& channel : small.channels) {
    const std::span<const float> values = channel.histogram->values();
    CHECK(values.size() == 64);
    CHECK(std::ranges::count(values, -2.0F) == 32);
  }
  // 2 · 2 · 200 · 200 values are kept once, and twice as many are not.
  ptq::TensorStatistics large = batch(2, 200, 1);
  CHECK(large.tensor.histogram->values().size() == 160000);
  ptq::merge_histograms(large, batch(2, 200, 2));
  ptq::merge_histograms(large, batch(2, 1, 2));
  CHECK(large.tensor.histogram->values().empty());
  for (const auto& channel : large.channels) CHECK(channel.histogram->values().empty());
  CHECK(large.tensor.histogram->count() == 320004);
}

TEST_CASE("kmeans puts a weight on 2^bits values a channel, and its mean is corrected") {
  ptq::Session session(at::kCPU);
  const ptq::Outcome outcome = run(session, {{"quant.weight.quantizer", "kmeans"},
                                             {"quant.weight.bias_correction", "mean"},
                                             {"quant.activation.bits", "none"}});
  CHECK(outcome.accuracy.top1() > 0.8);
  const auto& sites = outcome.prepared.sites.sites;
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (sites[i].quantizer != "kmeans") continue;
    const auto& values = outcome.prepared.weights[i]->values;
    const auto channels = outcome.quantizers[i].centroids.size();
    const std::size_t size = values.size() / channels;
    for (std::size_t c = 0; c < channels; ++c) {
      const std::set<float> different(values.begin() + static_cast<std::ptrdiff_t>(c * size),
                                      values.begin() + static_cast<std::ptrdiff_t>((c + 1) * size));
      CHECK(different.size() <= 16);
    }
  }
  CHECK(sites.front().quantizer == "affine");  // the first layer has its own width and grid
}

TEST_CASE("mid_tread tells what its codes would take, near the bits asked for") {
  ptq::Session session(at::kCPU);
  const ptq::Outcome outcome = run(session, {{"quant.weight.quantizer", "mid_tread"},
                                             {"quant.activation.quantizer", "mid_tread"},
                                             {"quant.activation.clipping", "laplace"},
                                             {"quant.weight.average_bits", 4.5},
                                             {"quant.activation.average_bits", 5.3}});
  CHECK(outcome.accuracy.top1() > 0.7);
  REQUIRE(outcome.weight_codes);
  REQUIRE(outcome.activation_codes);
  for (const auto& codes : {*outcome.weight_codes, *outcome.activation_codes}) {
    CHECK(codes.entropy > 1);
    CHECK(codes.entropy < 5.5);
    CHECK(codes.huffman >= codes.entropy);
    CHECK(codes.huffman < codes.entropy + 1);
  }
}

TEST_CASE("weights rounded stochastically are a function of the seed alone") {
  const Keys keys = {{"quant.weight.rounding", "stochastic"}, {"quant.activation.bits", "none"}};
  const auto with_seed = [&](int seed) {
    ptq::Session session(at::kCPU);
    Keys all = keys;
    all.emplace_back("seed", seed);
    return run(session, all);
  };
  const ptq::Outcome first = with_seed(1), again = with_seed(1), other = with_seed(2);
  const auto& site = first.prepared.weights;
  for (std::size_t i = 0; i < site.size(); ++i) {
    if (site[i] == nullptr) continue;
    CHECK(site[i]->values == again.prepared.weights[i]->values);
    CHECK(site[i]->values != other.prepared.weights[i]->values);
  }
}

TEST_CASE("symmetric grids and power-of-two scales run, weights and activations") {
  ptq::Session session(at::kCPU);
  const ptq::Outcome outcome = run(session, {{"quant.weight.quantizer", "symmetric"},
                                             {"quant.activation.quantizer", "symmetric"},
                                             {"quant.weight.power_of_two_scale", true},
                                             {"quant.activation.power_of_two_scale", true},
                                             {"quant.weight.bits", 6},
                                             {"quant.activation.bits", 6}});
  CHECK(outcome.accuracy.top1() > 0.6);
  for (const ptq::Quantizer& quantizer : outcome.quantizers) {
    for (const auto& grid : quantizer.grids) {
      CHECK(std::ldexp(1.0F, std::ilogb(grid.scale)) == grid.scale);
    }
  }
}

TEST_CASE("what does not go together is refused with both keys") {
  ptq::Session session(at::kCPU);
  const auto refuses = [&](const Keys& keys, const char* sentence) {
    CHECK_THROWS_WITH(run(session, keys), ContainsSubstring(sentence));
  };
  refuses(
      {{"quant.weight.quantizer", "kmeans"}, {"quant.weight.bit_allocation", "round"}},
      "quant.weight.bit_allocation = round does not go with quant.weight.quantizer = \"kmeans\"");
  refuses({{"quant.activation.quantizer", "mid_tread"}, {"quant.activation.clipping", "gauss"}},
          "it clips by \"laplace\" or \"none\"");
  refuses({{"quant.weight.quantizer", "mid_tread"}, {"quant.weight.power_of_two_scale", true}},
          "power_of_two_scale");
  refuses({{"quant.activation.clipping", "percentile"}, {"quant.activation.percentile", 50.0}},
          "expected more than 50");
}

TEST_CASE("histograms of batches are those of all values; a large tensor is sampled evenly") {
  std::vector<float> x(2 * 3 * 8 * 8);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = std::sin(static_cast<float>(i)) * 3;
  const at::Tensor all = at::from_blob(x.data(), {2, 3, 8, 8});
  const ptq::Detail detail{.histogram_of_tensor = true, .histogram_of_channels = true};
  const ptq::TensorStatistics whole = ptq::statistics(all, detail, "x");
  const std::vector<ptq::TensorStatistics> batches = {
      ptq::statistics(all.slice(0, 0, 1).contiguous(), detail, "x"),
      ptq::statistics(all.slice(0, 1, 2).contiguous(), detail, "x")};
  const ptq::TensorStatistics joined = ptq::mean_over(batches);
  CHECK(std::ranges::equal(joined.tensor.histogram->counts(), whole.tensor.histogram->counts()));
  for (std::size_t c = 0; c < 3; ++c) {
    CHECK(joined.channels[c].histogram->count() == 128);
    CHECK(std::ranges::equal(joined.channels[c].histogram->counts(),
                             whole.channels[c].histogram->counts()));
  }
  const at::Tensor large = at::ones({1, 1, 512, 512});
  const ptq::TensorStatistics sampled = ptq::statistics(large, detail, "x");
  CHECK(sampled.tensor.histogram->count() == 512 * 512 / ptq::kSampleStride);
}
