// Several configurations evaluated together, against each of them alone.
#include "ptq/shared_evaluation.h"

#include <ATen/ops/ones.h>

#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "config/settings.h"
#include "core/error.h"
#include "exec/device.h"
#include "ptq/trial.h"
#include "resnet20.h"

using namespace bitsweep;
using testing::Keys;

namespace {

constexpr std::int64_t kImages = 48;

config::TrialConfig configuration(const Keys& keys) {
  return config::to_trial(
      testing::resnet20({{"data.test_images", kImages},
                         {"eval.batch_size", 32},  // the last batch is a smaller one
                         {"quant.preset", "submission2019"},
                         {"quant.calibration.images", 32},
                         {"quant.calibration.batch_size", 16}},
                        keys));
}

// The rows of document 004's tables, and what else takes part in a grid.
std::vector<config::TrialConfig> rows() {
  const std::string w = "quant.weight.", a = "quant.activation.";
  const Keys w4a4 = {{w + "bits", 4}, {a + "bits", 4}};
  const Keys w8a4 = {{w + "bits", 8}, {a + "bits", 4}};
  const Keys w4a8 = {{w + "bits", 4}, {a + "bits", 8}};
  const Keys channels = {{w + "granularity", "channel"}, {a + "granularity", "channel"}};
  const auto with = [](Keys keys, const Keys& more) {
    keys.insert(keys.end(), more.begin(), more.end());
    return keys;
  };
  const Keys dynamic = {{"quant.calibration.statistics", "dynamic"}};
  std::vector<config::TrialConfig> out = {configuration({{"quant.scheme", "none"}})};
  for (const Keys& bits : {w4a4, w8a4, w4a8}) {
    const Keys base = with(bits, channels);
    for (const Keys& row :
         {bits, base, with(base, {{a + "clipping", "laplace"}}),
          with(base, {{a + "clipping", "gauss"}}), with(base, {{w + "bit_allocation", "round"}}),
          with(base, {{w + "bias_correction", "mean"}}),
          with(base, {{a + "clipping", "laplace"},
                      {a + "bit_allocation", "round"},
                      {w + "bit_allocation", "round"},
                      {w + "bias_correction", "mean"}}),
          with(base, with(dynamic, {{a + "clipping", "laplace"}})), with(base, dynamic),
          with(bits, {{a + "clipping", "std:2"}})}) {
      out.push_back(configuration(row));
    }
  }
  out.push_back(configuration(with(w4a4, {{a + "bias_correction", "mean"}})));
  out.push_back(configuration(w4a4));  // once more
  out.push_back(configuration(with(w4a4, {{"eval.batch_size", 16}})));
  return out;
}

using Logits = std::vector<std::vector<float>>;  // by image

ptq::Listener recorder(Logits& logits) {
  logits.resize(kImages);
  ptq::Listener out;
  out.logits = [&logits](std::int64_t position, std::span<const float> values) {
    logits[static_cast<std::size_t>(position)].assign(values.begin(), values.end());
  };
  return out;
}

struct Ended {
  Logits logits;
  std::optional<ptq::Outcome> outcome;
  std::exception_ptr failure;
  int times = 0;
};

struct Together {
  std::vector<Ended> members;
  ptq::SharedCounts counts;  // of the last evaluation
  std::int64_t evaluations = 0;
};

Together run_together(ptq::Session& session, const std::vector<config::TrialConfig>& configs,
                      std::int64_t cache_bytes = ptq::kDefaultCacheBytes) {
  Together out;
  out.members.resize(configs.size());
  std::vector<ptq::Request> requests;
  for (std::size_t i = 0; i < configs.size(); ++i) {
    Ended& member = out.members[i];
    requests.push_back({configs[i], recorder(member.logits),
                        [&member](ptq::Outcome outcome) {
                          member.outcome = std::move(outcome);
                          ++member.times;
                        },
                        [&member](std::exception_ptr error) {
                          member.failure = std::move(error);
                          ++member.times;
                        }});
  }
  session.run_group(requests, {cache_bytes, [&](const ptq::SharedCounts& counts) {
                                 out.counts = counts;
                                 ++out.evaluations;
                               }});
  return out;
}

}  // namespace

TEST_CASE("every row has the bits together that it has alone") {
  exec::set_threads(1);
  ptq::Session session(at::kCPU);
  const std::vector<config::TrialConfig> configs = rows();
  const Together together = run_together(session, configs);
  for (std::size_t i = 0; i < configs.size(); ++i) {
    CAPTURE(i);
    Logits logits;
    const ptq::Outcome alone = session.run(configs[i], recorder(logits));
    const Ended& member = together.members[i];
    REQUIRE(member.times == 1);
    REQUIRE(member.outcome.has_value());
    CHECK((member.logits == logits));
    CHECK((member.outcome->accuracy.bitmap() == alone.accuracy.bitmap()));
    CHECK(member.outcome->accuracy.loss() == alone.accuracy.loss());
    CHECK((member.outcome->quantizers == alone.quantizers));
    CHECK(member.outcome->counts.total.activation_bits_average ==
          alone.counts.total.activation_bits_average);
  }
  CHECK(together.evaluations == 2);  // the last row's batches are others
  CHECK(together.counts.members == 1);
}

namespace {

// ResNet20 with every layer but one at 8 bits, one configuration a layer.
std::vector<config::TrialConfig> sensitivity() {
  std::vector<config::TrialConfig> out;
  for (std::size_t layer = 0; layer < 20; ++layer) {
    config::List bits(20, config::Value(8));
    bits[layer] = config::Value(4);
    out.push_back(configuration({{"quant.weight.bits", bits}, {"quant.activation.bits", 8}}));
  }
  return out;
}

}  // namespace

TEST_CASE("a sensitivity sweep computes each distinct node once, in little memory") {
  exec::set_threads(1);
  ptq::Session session(at::kCPU);
  const Together together = run_together(session, sensitivity());
  const ptq::SharedCounts& counts = together.counts;
  CAPTURE(counts.nodes_alone, counts.distinct_nodes, counts.evaluations, counts.peak_bytes);
  CHECK(counts.evaluations == counts.distinct_nodes);
  const double bound =
      static_cast<double>(counts.nodes_alone) / static_cast<double>(counts.distinct_nodes);
  CHECK(bound > 1.6);
  CHECK(bound < 2);
  // Outputs of the widest stage, 16 × 32 × 32 floats an image: its branch point, its sum, and what
  // one configuration holds at a time.
  CHECK(counts.peak_bytes <= 6 * 32 * 16 * 32 * 32 * 4);
}

TEST_CASE("with too little memory more is computed, and nothing changes") {
  exec::set_threads(1);
  ptq::Session session(at::kCPU);
  std::vector<config::TrialConfig> configs = sensitivity();
  configs.resize(8);
  const Together roomy = run_together(session, configs);
  const Together tight = run_together(session, configs, 1);
  CHECK(tight.counts.evaluations > roomy.counts.evaluations);
  CHECK(tight.counts.peak_bytes < roomy.counts.peak_bytes);
  for (std::size_t i = 0; i < configs.size(); ++i) {
    CHECK((tight.members[i].logits == roomy.members[i].logits));
  }
}

TEST_CASE("trials on the same validation images are one evaluation, on other images another") {
  exec::set_threads(1);
  ptq::Session session(at::kCPU);
  const auto on_validation = [](int images, int bits) {
    return configuration({{"eval.split", "validation"},
                          {"data.validation_images", images},
                          {"quant.weight.bits", bits}});
  };
  const Together together =
      run_together(session, {on_validation(40, 4), on_validation(40, 3), on_validation(20, 4)});
  CHECK(together.evaluations == 2);
  for (const Ended& member : together.members) REQUIRE(member.outcome.has_value());
  Logits logits;
  const ptq::Outcome alone = session.run(on_validation(40, 3), recorder(logits));
  CHECK((together.members[1].logits == logits));
  CHECK((together.members[1].outcome->accuracy.bitmap() == alone.accuracy.bitmap()));
}

TEST_CASE("a configuration that cannot be ends alone") {
  exec::set_threads(1);
  ptq::Session session(at::kCPU);
  const config::TrialConfig good =
      configuration({{"quant.weight.bits", 4}, {"quant.activation.bits", 4}});
  const config::TrialConfig too_many = configuration({{"quant.calibration.images", 100000}});
  const config::TrialConfig no_file = configuration({{"model.weights", "nowhere.safetensors"}});
  const Together together = run_together(session, {too_many, good, no_file});
  CHECK(together.members[0].times == 1);
  CHECK_THROWS_AS(std::rethrow_exception(together.members[0].failure), ConfigError);
  CHECK_THROWS_AS(std::rethrow_exception(together.members[2].failure), DataError);
  REQUIRE(together.members[1].outcome.has_value());
  Logits logits;
  session.run(good, recorder(logits));
  CHECK((together.members[1].logits == logits));
}

TEST_CASE("a member that diverges leaves the others as they are") {
  exec::set_threads(1);
  ptq::Preparer preparer(at::kCPU);
  const ptq::Prepared good =
      preparer.prepare(configuration({{"quant.activation.bits", "none"}}), {});
  ptq::Prepared bad = good;
  // One weight of a late layer is infinite: what comes before is shared, what follows is not.
  const std::size_t late = bad.weights.size() / 2;
  std::size_t site = late;
  while (bad.weights[site] == nullptr) ++site;
  auto broken = std::make_shared<ptq::QuantizedWeight>(*bad.weights[site]);
  broken->values.front() = std::numeric_limits<float>::infinity();
  bad.weights[site] = broken;

  constexpr std::array<std::int64_t, 2> kPositions{0, 1};
  const at::Tensor images = at::ones({2, 3, 32, 32}, at::TensorOptions(at::kFloat));
  const auto first_logits = [&](ptq::SharedEvaluation& evaluation, std::size_t member) {
    std::vector<float> out;
    evaluation.run(images, kPositions, [&](std::size_t m, const at::Tensor& logits) {
      const std::span<const float> values(logits.const_data_ptr<float>(), 10);
      for (const float value : values) {
        if (!std::isfinite(value)) throw ptq::Diverged("a logit");
      }
      if (m == member) out.assign(values.begin(), values.end());
    });
    return out;
  };
  ptq::SharedEvaluation alone({&good}, at::kCPU, 2, ptq::kDefaultCacheBytes);
  const std::vector<float> expected = first_logits(alone, 0);
  ptq::SharedEvaluation both({&bad, &good}, at::kCPU, 2, ptq::kDefaultCacheBytes);
  for (int batch = 0; batch < 2; ++batch) {
    CHECK((first_logits(both, 1) == expected));
    REQUIRE_FALSE(both.is_running(0));
    CHECK(both.is_running(1));
  }
  CHECK_THROWS_AS(std::rethrow_exception(both.failure(0)), ptq::Diverged);
}

TEST_CASE("equal weights of two configurations are one object") {
  ptq::Preparer preparer(at::kCPU);
  const auto a = preparer.prepare(configuration({{"quant.weight.bits", 4}}), {});
  const auto b =
      preparer.prepare(configuration({{"quant.weight.bits", 4}, {"quant.activation.bits", 3}}), {});
  const auto c = preparer.prepare(configuration({{"quant.weight.bits", 3}}), {});
  CHECK(a.network == b.network);
  REQUIRE(a.weights.size() == b.weights.size());
  for (std::size_t i = 0; i < a.weights.size(); ++i) CHECK(a.weights[i] == b.weights[i]);
  CHECK(a.weights[2] != nullptr);
  CHECK(a.weights[2] != c.weights[2]);
}
