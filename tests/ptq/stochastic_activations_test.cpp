// Activations rounded stochastically: noise by (seed, node, image, element) and nothing else.
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>

#include <array>
#include <catch2/catch_approx.hpp>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "config/settings.h"
#include "exec/device.h"
#include "kernels/philox_math.h"
#include "numerics_page.h"
#include "ptq/exported.h"
#include "ptq/trial.h"
#include "resnet20.h"

using namespace bitsweep;
using Catch::Approx;
using Catch::Matchers::ContainsSubstring;
using testing::examples;
using testing::Keys;
using testing::number;

namespace {

constexpr std::int64_t kImages = 48;

config::Settings settings(const Keys& keys) {
  return testing::resnet20({{"data.test_images", kImages},
                            {"eval.batch_size", 48},
                            {"quant.activation.bits", 4},
                            {"quant.activation.granularity", "channel"},
                            {"quant.activation.rounding", "stochastic"},
                            {"quant.calibration.images", 32},
                            {"quant.calibration.batch_size", 16}},
                           keys);
}

config::TrialConfig configuration(const Keys& keys) { return config::to_trial(settings(keys)); }

using Logits = std::vector<std::vector<float>>;  // by image

ptq::Listener recorder(Logits& logits) {
  logits.resize(kImages);
  ptq::Listener out;
  out.logits = [&logits](std::int64_t position, std::span<const float> values) {
    logits[static_cast<std::size_t>(position)].assign(values.begin(), values.end());
  };
  return out;
}

Logits logits_of(const Keys& keys) {
  exec::set_threads(1);
  ptq::Session session(at::kCPU);
  Logits out;
  session.run(configuration(keys), recorder(out));
  return out;
}

// Codes 0…15 and scale 1.
ptq::Quantizer quantizer_of(std::uint64_t seed, graph::NodeId node) {
  quant::QuantizerSite site;
  site.node = node;
  site.bits = 4;
  site.stochastic = true;
  site.seed = seed;
  ptq::TensorStatistics statistics;
  statistics.tensor = {.min = 0, .max = 15};
  return ptq::activation_quantizer(site, statistics);
}

}  // namespace

TEST_CASE("every activation rounded by a draw on the numerics page comes out as written") {
  const auto all = examples("seed");
  CHECK(all.size() >= 7);
  for (const auto& [line, row] : all) {
    CAPTURE(line);
    const auto node = std::stoi(row.at("node"));
    const ptq::Quantizer quantizer = quantizer_of(std::stoull(row.at("seed")), node);
    const float x = number(row.at("x"));
    at::Tensor image = at::full({1, 2, 2, 2}, x, at::TensorOptions(at::kFloat));
    const std::array<std::int64_t, 1> position{std::stoll(row.at("image"))};
    quantizer.apply(image, position);
    const auto element = std::stoull(row.at("element"));
    CHECK(image.const_data_ptr<float>()[element] == number(row.at("y")));
    kernels::RandomStream draws = *quantizer.random;
    draws.step = static_cast<std::uint32_t>(position[0]);
    const double share = kernels::random_bits(draws, element) * 0x1p-32;
    CHECK(share == Approx(number(row.at("share of the draw"))).margin(0.6e-4));
  }
}

TEST_CASE("stochastic rounding of an activation has its value for a mean") {
  const ptq::Quantizer quantizer = quantizer_of(7, 3);
  constexpr std::int64_t kDraws = 4096;
  std::array<std::int64_t, kDraws> positions;
  std::iota(positions.begin(), positions.end(), 0);
  for (const float value : {0.25F, 3.5F, 7.9F, 12.01F}) {
    CAPTURE(value);
    at::Tensor x = at::full({kDraws, 1, 1, 1}, value, at::TensorOptions(at::kFloat));
    quantizer.apply(x, positions);
    const std::span<const float> drawn(x.const_data_ptr<float>(), kDraws);
    const double mean = std::accumulate(drawn.begin(), drawn.end(), 0.0) / kDraws;
    const double fraction = value - std::floor(value);
    // Five standard errors of a two-point distribution one step apart.
    CHECK(std::abs(mean - value) < 5 * std::sqrt(fraction * (1 - fraction) / kDraws));
    for (const float y : drawn) CHECK((y == std::floor(value) || y == std::floor(value) + 1));
  }
}

TEST_CASE("an image is rounded alike in every batch, at every place in it") {
  const ptq::Quantizer quantizer = quantizer_of(1, 2);
  constexpr std::int64_t kBatch = 5;
  const std::array<std::int64_t, kBatch> positions{0, 9, 3, 70, 1};
  at::Tensor together = at::empty({kBatch, 3, 7, 5}, at::TensorOptions(at::kFloat));
  float* values = together.mutable_data_ptr<float>();
  for (std::int64_t i = 0; i < together.numel(); ++i)
    values[i] = 0.37F * static_cast<float>(i % 41);
  const at::Tensor before = together.clone();
  quantizer.apply(together, positions);
  for (std::int64_t n = 0; n < kBatch; ++n) {
    CAPTURE(n);
    at::Tensor alone = before.narrow(0, n, 1).clone();
    quantizer.apply(alone, std::span(positions).subspan(static_cast<std::size_t>(n), 1));
    CHECK(alone.equal(together.narrow(0, n, 1)));
  }
}

TEST_CASE("stochastic activations depend on the seed, not on batches, their order, or repetition") {
  const Logits first = logits_of({});
  CHECK((logits_of({}) == first));
  CHECK((logits_of({{"eval.batch_size", 16}}) == first));
  CHECK((logits_of({{"eval.batch_size", 31}, {"eval.shuffle", true}}) == first));
  CHECK((logits_of({{"seed", 1}}) != first));
  CHECK((logits_of({{"quant.activation.rounding", "nearest"}}) != first));
}

TEST_CASE("stochastic activations are the same shared and alone") {
  exec::set_threads(1);
  ptq::Session session(at::kCPU);
  const std::vector<Keys> members = {
      {},
      {{"quant.activation.rounding", "nearest"}},
      {{"seed", 5}},
      {{"quant.weight.bits", 3}},
      {{"quant.calibration.statistics", "dynamic"}},
      {{"quant.activation.bias_correction", "mean"}},
      {{"quant.sites.logits_bits", 5}},
  };
  std::vector<Logits> logits(members.size());
  std::vector<ptq::Request> requests;
  for (std::size_t i = 0; i < members.size(); ++i) {
    requests.push_back({configuration(members[i]), recorder(logits[i]), [](ptq::Outcome) {},
                        [](std::exception_ptr failure) { std::rethrow_exception(failure); }});
  }
  ptq::SharedCounts counts;
  session.run_group(requests, {.evaluated = [&](const ptq::SharedCounts& c) { counts = c; }});
  CHECK(counts.members == static_cast<std::int64_t>(members.size()));
  // The last member has all but its logits in common with the first.
  CHECK(counts.distinct_nodes < counts.nodes_alone - 25);
  for (std::size_t i = 0; i < members.size(); ++i) {
    CAPTURE(i);
    CHECK((logits_of(members[i]) == logits[i]));
  }
}

TEST_CASE("a network that draws noise for every image is not exported, and the sentence says why") {
  ptq::Session session(at::kCPU);
  const config::TrialConfig config = configuration({});
  const ptq::Prepared prepared = session.prepare(config, {});
  CHECK_THROWS_WITH(ptq::exported_network(prepared, settings({}).to_json(), config),
                    ContainsSubstring("quant.activation.rounding = \"stochastic\""));
}
