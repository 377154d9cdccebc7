#include "sweep/plan.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <chrono>
#include <iostream>

#include "core/error.h"
#include "core/hash.h"
#include "files.h"
#include "sweep/cost.h"
#include "sweep/why.h"

namespace bitsweep::sweep {
namespace {

using Catch::Matchers::ContainsSubstring;
using Names = std::vector<std::string>;

// Every trial reads the images that the repository carries and a file beside the sweep.
constexpr const char* kTrial = R"(
name = "s"
[trial]
kind = "ptq"
model = { name = "resnet20", weights = "w.safetensors" }
data = { name = "cifar10_small" }
quant.scheme = "aciq"
quant.preset = "submission2019"
)";

LoadedPlan planned(const Files& files, const std::string& rest, const Names& assignments = {}) {
  files.write("w.safetensors", "not read by a plan");
  return load_plan(files.write("s.toml", kTrial + rest), assignments, {});
}

std::string error_of(const std::string& rest, const Names& assignments = {}) {
  const Files files;
  try {
    planned(files, rest, assignments);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

Names trial_names(const Plan& plan) {
  Names out;
  for (const PlannedTrial& trial : plan.trials) out.push_back(trial.name);
  return out;
}

Names rules(const Plan& plan) {
  Names out;
  for (const Lint& lint : plan.lints) out.push_back(lint.rule);
  return out;
}

constexpr const char* kBits = "[[axis]]\nkey = \"quant.weight.bits\"\nvalues = [4, 8]\n";

TEST_CASE("a plan finds weights beside the file that names them and data in the repository") {
  const Files files;
  const Plan plan = planned(files, kBits).plan;
  CHECK(trial_names(plan) == Names{"s/bits=4", "s/bits=8"});
  CHECK(plan.needs.empty());
  CHECK(plan.lints.empty());
  CHECK(plan.trials[0].identity.key.size() == 64);
  CHECK(plan.trials[0].identity.key != plan.trials[1].identity.key);
  CHECK(plan.trials[0].paths.at("model.weights") == (files.folder() / "w.safetensors").string());
  CHECK_THAT(plan.trials[0].identity.canonical,
             ContainsSubstring(sha256_hex("not read by a plan")));
  CHECK(plan.trials[0].images == 1000 + 512);
}

TEST_CASE("weights that are not there are a need with the places where they were looked for") {
  const Files files;
  const Plan plan = planned(files, kBits, {"model.weights=no/such.safetensors"}).plan;
  REQUIRE(plan.needs.size() == 1);
  CHECK(plan.needs[0].what == "no/such.safetensors");
  CHECK_THAT(plan.needs[0].detail, ContainsSubstring("weights_cifar10"));
  CHECK(plan.trials.size() == 2);
  CHECK(plan.trials[1].needs == std::vector<std::size_t>{0});
}

TEST_CASE("a data set that is not there is a need, and the key does not depend on it") {
  const Files files;
  const Plan there = planned(files, "").plan;
  const Plan missing = planned(files, "", {"data.root=/nowhere"}).plan;
  REQUIRE(missing.needs.size() == 1);
  CHECK(missing.needs[0].what == "data set cifar10_small");
  CHECK(missing.trials[0].identity.key == there.trials[0].identity.key);
}

TEST_CASE("equal trials merge under the first of their names") {
  const Files files;
  const Plan plan = planned(files, R"(
[[axis]]
key = "quant.scheme"
values = ["none", "aciq"]
[[axis]]
key = "quant.weight.bits"
values = [4, 8]
[[include]]
name = "w8"
set = { quant.weight.bits = 8 }
)")
                        .plan;
  CHECK(trial_names(plan) ==
        Names{"s/scheme=none,bits=4", "s/scheme=aciq,bits=4", "s/scheme=aciq,bits=8"});
  CHECK(plan.trials[0].merged == Names{"s/scheme=none,bits=8"});
  CHECK(plan.trials[2].merged == Names{"s/w8"});
}

TEST_CASE("number spelling, quoting and key order do not change a key") {
  const Files files;
  const auto key = [&](const std::string& rest) {
    return planned(files, rest).plan.trials.at(0).identity.key;
  };
  const std::string plain = key("quant.weight.bits = 4\nquant.activation.bits = 4\n");
  CHECK(key("\"quant.activation.bits\" = 4\nquant.\"weight\".bits = 4\n") == plain);
  CHECK(key("quant.activation = { bits = 4 }\nquant.weight = { bits = +4 }\n") == plain);
}

TEST_CASE(
    "a claim that never matches is an error, one that the command line leaves out is a lint") {
  const std::string claim = R"(
[[paper]]
id = "c"
where = 'quant.weight.bits == 8'
metric = "top1"
value_percent = 90
tolerance_percent = 1
)";
  const Files files;
  CHECK(planned(files, kBits + claim).plan.lints.empty());
  CHECK(rules(planned(files, kBits + claim, {"quant.weight.bits=4"}).plan) ==
        Names{"claim_not_planned"});
  CHECK_THAT(error_of("[[axis]]\nkey = \"quant.weight.bits\"\nvalues = [4]\n" + claim),
             ContainsSubstring("s.toml:") && ContainsSubstring("'c' matches no trial"));
}

TEST_CASE("a table that never matches is a lint") {
  const Files files;
  CHECK(rules(planned(files, std::string(kBits) + "[[table]]\nrows = \"methd\"\n").plan) ==
        Names{"table_never_matches"});
  CHECK(rules(planned(files, std::string(kBits) +
                                 "[[table]]\nrows = \"bits\"\nwhere = 'quant.weight.bits == 2'\n")
                  .plan) == Names{"table_never_matches"});
  CHECK(planned(files, std::string(kBits) + "[[table]]\nrows = \"quant.weight.bits\"\n")
            .plan.lints.empty());
}

TEST_CASE("keys without effect are linted, but not for an included point without quantization") {
  const Files files;
  CHECK(planned(files, "[[include]]\nname = \"fp32\"\nset = { quant.scheme = \"none\" }\n")
            .plan.lints.empty());
  const Plan everywhere = planned(files, "", {"quant.activation.percentile=99.9"}).plan;
  REQUIRE(rules(everywhere) == Names{"unused_key"});
  CHECK_THAT(everywhere.lints[0].message, ContainsSubstring("quant.activation.percentile"));
  const Plan varied = planned(files, std::string(kBits) +
                                         "[[axis]]\nkey = \"quant.scheme\"\n"
                                         "values = [\"none\", \"aciq\"]\n")
                          .plan;
  REQUIRE(rules(varied).size() == 1);
  CHECK_THAT(varied.lints[0].message, ContainsSubstring("quant.weight.bits is varied without"));
}

TEST_CASE("calibration on test images and unstated first and last layers are lints") {
  const Files files;
  CHECK(rules(planned(files, "quant.calibration.source = \"test\"\n").plan) ==
        Names{"calibrated_on_test"});
  CHECK(rules(load_plan(files.folder() / "s.toml", {}, Names{"quant.preset"}).plan) ==
        Names{"calibrated_on_test", "first_last_unstated"});
}

TEST_CASE("a stage is planned first, once for each seed, and its users wait for it") {
  const Files files;
  files.write("fp32.toml",
              "kind = \"train\"\nmodel.name = \"resnet20\"\n"
              "data.name = \"cifar10_small\"\ntrain.epochs = 2\n");
  const std::string rest = std::string(kBits) + R"(
[[stage]]
name = "fp32"
base = "fp32.toml"
[seeds]
values = [0, 1]
)";
  const Plan plan = planned(files, rest, {"model.weights=stage:fp32"}).plan;
  REQUIRE(plan.trials.size() == 6);
  CHECK(plan.trials[0].name == "s/stage:fp32,seed=0");
  CHECK(plan.trials[1].name == "s/stage:fp32,seed=1");
  CHECK(plan.needs.empty());
  for (const PlannedTrial& trial : plan.trials) {
    if (!trial.stage.empty()) continue;
    const PlannedTrial& stage = plan.trials[trial.seed == 0 ? 0 : 1];
    CHECK(trial.waits_for == stage.identity.key);
    CHECK_THAT(trial.identity.canonical, ContainsSubstring(stage.identity.key));
  }
  CHECK(rules(planned(files, rest).plan) == Names{"stage_never_used"});
  CHECK_THAT(error_of("", {"model.weights=stage:fp23"}), ContainsSubstring("unknown stage 'fp23'"));
}

TEST_CASE("a teacher is found as starting weights are, and may be the same stage's") {
  const Files files;
  files.write("fp32.toml",
              "kind = \"train\"\nmodel.name = \"resnet20\"\n"
              "data.name = \"cifar10_small\"\ntrain.epochs = 2\n");
  files.write("w.safetensors", "not read by a plan");
  const auto distilled = [&](const std::string& weights, const std::string& teacher) {
    return load_plan(files.write("t.toml", R"(
name = "t"
[trial]
kind = "train"
model = { name = "resnet20", weights = ")" + weights +
                                               R"(" }
data.name = "cifar10_small"
train.distillation.weights = ")" + teacher + R"("
[[stage]]
name = "a"
base = "fp32.toml"
[[stage]]
name = "b"
base = "fp32.toml"
set = { train.epochs = 3 }
)"),
                     {}, {})
        .plan;
  };
  const Plan same = distilled("stage:a", "stage:a");
  REQUIRE(same.trials.size() == 2);
  CHECK(same.trials[1].waits_for == same.trials[0].identity.key);
  CHECK(same.trials[1].takes_weights == Names{"model.weights", "train.distillation.weights"});
  const Plan mixed = distilled("w.safetensors", "stage:b");
  CHECK(mixed.trials[1].takes_weights == Names{"train.distillation.weights"});
  CHECK(mixed.trials[1].paths.contains("model.weights"));
  const Plan file = distilled("w.safetensors", "w.safetensors");
  REQUIRE(file.trials.size() == 1);
  CHECK(file.trials[0].waits_for.empty());
  CHECK_THAT(file.trials[0].identity.canonical,
             ContainsSubstring(sha256_hex("not read by a plan")));
  CHECK(distilled("w.safetensors", "gone.safetensors").needs.at(0).what == "gone.safetensors");
  CHECK_THROWS_MATCHES(distilled("stage:a", "stage:b"), ConfigError,
                       Catch::Matchers::MessageMatches(ContainsSubstring(
                           "train.distillation.weights take the weights of two trials")));
}

TEST_CASE("a training needs no weights, reads what it trains on and counts its passes") {
  const Files files;
  const auto trained = [&](const std::string& more) {
    const std::string head =
        "name = \"t\"\n[trial]\nkind = \"train\"\nmodel.name = \"toynet\"\n"
        "data.name = \"cifar10_small\"\n";
    return load_plan(files.write("t.toml", head + more), {}, {}).plan;
  };
  const auto refuses = [&](const std::string& more, const std::string& expected) {
    CHECK_THROWS_MATCHES(trained(more), ConfigError,
                         Catch::Matchers::MessageMatches(ContainsSubstring("t.toml:6:") &&
                                                         ContainsSubstring(expected)));
  };
  const Plan plan = trained("train.epochs = 2\ndata.train_images = 100\n");
  REQUIRE(plan.trials.size() == 1);
  CHECK(plan.needs.empty());
  CHECK(rules(plan) == Names{"one_seed"});
  CHECK(plan.trials[0].images == 100 + 1000);
  // Forward and twice backward for each image of two epochs, and an evaluation after each.
  CHECK(plan.trials[0].passes == 3 * 2 * 100 + 2 * 1000);
  const Plan short_one =
      trained("train = { epochs = 2, eval_every = 0, max_steps = 1, batch_size = 10 }\n");
  CHECK(short_one.trials[0].passes == 3 * 10 + 1000);
  CHECK(rules(trained("train.select = \"best_test\"\n")) == Names{"selected_on_test", "one_seed"});
  refuses("data.validation_images = 512\n", "expected at most 511");
  refuses("quant = { scheme = \"dorefa_pact\", weight.bits = [8] }\n",
          "network 'toynet' expects 13: 0 stem;");
}

TEST_CASE("names, layer patterns and counts that cannot be meant are refused with their place") {
  struct Case {
    std::string rest;
    const char* expected;
  };
  const Case c = GENERATE(
      Case{"[[layer]]\nmatch = \"convv1\"\nweight.bits = 8\n", "convv1"},
      Case{"quant.weight.bits = [8, 8, 8]\n", "quant.weight.bits"},
      Case{"quant.calibration.images = 50001\n", "expected at most 512"},
      Case{"[[axis]]\nkey = \"data.test_images\"\nvalues = [1001]\n", "expected at most 1000"},
      Case{"[[axis]]\nkey = \"model.name\"\nvalues = [\"resnet21\"]\n", "did you mean 'resnet2"},
      Case{"[[axis]]\nkey = \"quant.scheme\"\nvalues = [\"aciqq\"]\n", "did you mean 'aciq'"},
      Case{"[[axis]]\nkey = \"data.name\"\nvalues = [\"cifar\"]\n", "unknown data set 'cifar'"},
      Case{"[[axis]]\nkey = \"kind\"\nvalues = [\"analysis\"]\n", "not available in this version"},
      Case{"[[axis]]\nkey = \"kind\"\nvalues = [\"train\"]\n", "quantizes after training"});
  CAPTURE(c.rest);
  const std::string error = error_of(c.rest);
  CHECK_THAT(error, ContainsSubstring(c.expected));
  CHECK_THAT(error, ContainsSubstring("s.toml:"));
}

TEST_CASE("the frozen plan is flat rows with axes by label and unset keys null") {
  const Files files;
  const nlohmann::json json = plan_to_json(
      planned(files, std::string(kBits) + "[[exclude]]\nif = 'quant.weight.bits == 8'\n"
                                          "reason = \"why not\"\n")
          .plan);
  CHECK(json["schema_version"] == 1);
  REQUIRE(json["rows"].size() == 1);
  const nlohmann::json& row = json["rows"][0];
  CHECK(row["name"] == "s/bits=4");
  CHECK(row["bits"] == 4);
  CHECK(row["quant.weight.bits"] == 4);
  CHECK(row["seed"] == 0);
  CHECK(row["data.test_images"].is_null());
  CHECK(row["key"].get<std::string>().size() == 64);
  CHECK(json["skipped"][0]["reason"] == "why not");
}

TEST_CASE("the nearest known trial is told down to the key that changed") {
  const Files files;
  const Plan plan = planned(files, kBits).plan;
  const auto known = [](const PlannedTrial& trial) {
    return KnownTrial{trial.identity.key, trial.identity.canonical, trial.settings.to_json()};
  };
  const Plan other = planned(files, kBits, {"eval.batch_size=100", "quant.weight.bits=4"}).plan;
  const std::vector<KnownTrial> stored = {known(plan.trials[1]), known(other.trials[0])};
  const auto nearest = nearest_changed(plan.trials[0].settings, plan.trials[0].identity, stored);
  REQUIRE(nearest.has_value());
  REQUIRE(nearest->changes.size() == 1);
  CHECK(nearest->key == plan.trials[1].identity.key);
  CHECK(nearest->changes[0].key == "quant.weight.bits");
  CHECK(nearest->changes[0].before == 8);
  CHECK(nearest->changes[0].after == 4);
  CHECK_FALSE(nearest_changed(plan.trials[0].settings, plan.trials[0].identity, {}).has_value());
}

TEST_CASE("costs are measured where a trial ran before, else scaled from those that did") {
  const Files files;
  Plan plan = planned(files, kBits).plan;
  const std::vector<std::optional<double>> past = {3.0, std::nullopt};
  estimate_costs(plan, past);
  CHECK(plan.trials[0].cost->is_measured);
  CHECK_FALSE(plan.trials[1].cost->is_measured);
  CHECK(plan.trials[1].cost->seconds == 3.0);  // the same network on the same images
}

TEST_CASE("the sweeps and recipes of the repository plan, with no lint but those they mean") {
  struct Row {
    const char* path;
    std::size_t trials;
    const char* lint;  // "" none
  };
  const Row row = GENERATE(Row{"sweeps/quickstart.toml", 12, ""},
                           Row{"sweeps/cifar10/ptq_baseline.toml", 27, ""},
                           Row{"sweeps/cifar10/own_weights.toml", 3, "one_seed"},
                           Row{"sweeps/cifar10/finetune_w4a4.toml", 5, ""},
                           Row{"experiments/cifar10/resnet20_ptq.toml", 1, ""},
                           Row{"experiments/cifar10/resnet8_full_precision.toml", 1, ""},
                           Row{"experiments/cifar10/resnet20_a_full_precision.toml", 1, "one_seed"},
                           Row{"experiments/cifar10/resnet20_b_full_precision.toml", 1, "one_seed"},
                           Row{"experiments/cifar10/toynet_full_precision.toml", 1, "one_seed"},
                           Row{"experiments/cifar10/resnet20_b_mpact_w4a4.toml", 2, "one_seed"},
                           Row{"experiments/cifar10/toynet_mpact.toml", 1, "one_seed"});
  CAPTURE(row.path);
  const Plan plan = load_plan(row.path, {}, {}).plan;
  for (const Lint& lint : plan.lints) {
    CAPTURE(lint.message);
    CHECK(lint.rule == row.lint);
  }
  CHECK(plan.trials.size() == row.trials);
}

// Not asserted: a busy machine would fail it. The project's aim is 0.2 s for the program.
TEST_CASE("a plan of 10,000 points has 10,000 keys") {
  const Files files;
  files.write("w.safetensors", "not read by a plan");
  const auto path = files.write("s.toml", kTrial + std::string(R"(
[[axis]]
key = "quant.weight.bits"
values = [2, 3, 4, 5, 6]
[[axis]]
key = "quant.activation.bits"
values = [2, 3, 4, 5, 6]
[[axis]]
key = "quant.calibration.images"
values = [64, 128, 256, 512]
[[axis]]
key = "quant.calibration.batch_size"
values = [8, 16, 32, 64, 128]
[[axis]]
key = "eval.batch_size"
values = [10, 20, 50, 100, 200]
[[axis]]
key = "quant.weight.granularity"
values = ["tensor", "channel"]
[[axis]]
key = "quant.activation.granularity"
values = ["tensor", "channel"]
)"));
  const auto start = std::chrono::steady_clock::now();
  const Plan plan = load_plan(path, {}, {}).plan;
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  std::cout << "10,000 points planned in " << seconds.count() << " s\n";
  CHECK(plan.trials.size() == 10'000);
}

}  // namespace
}  // namespace bitsweep::sweep
