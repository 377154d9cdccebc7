// The learning curves of trainings.
#include <catch2/catch_test_macros.hpp>

#include "fixture.h"
#include "report/compose.h"
#include "report/group.h"
#include "report/plot.h"

namespace bitsweep::report {
namespace {

const std::string kState = sha256_hex("a state");

// Two seeds of one training of `epochs` epochs.
ReportInput training_input(int epochs) {
  ReportInput input;
  input.sweep.name = "demo";
  input.source = "sweeps/demo.toml";
  for (const std::uint64_t seed : {0u, 1u}) {
    Run run = make_run("fp32", seed, {{"method", "fp32"}}, config_of("none", 32, 32));
    run.trial.memberships[0].group = "demo/fp32";
    succeed(run, {900 + static_cast<std::int64_t>(seed)});
    store::AttemptRecord& attempt = run.attempts[0];
    for (int epoch = 1; epoch <= epochs; ++epoch) {
      attempt.epochs.push_back({{"epoch", epoch},
                                {"step", 10 * epoch},
                                {"state_sha256", kState},
                                {"train_loss", 2.0 / epoch + 0.1 * static_cast<double>(seed)},
                                {"split", "test"},
                                {"top1", 0.25 * epoch}});
      // What a resumed attempt has of the series, and what is no curve to show.
      attempt.series.push_back({"alpha.layer1", 8, 10 * epoch, {}, {}});
    }
    input.runs.push_back(std::move(run));
  }
  return input;
}

Plots curves(const ReportInput& input) {
  const auto groups = group_by_seed(input);
  return plots().get("learning_curve").draw({groups, {}});
}

TEST_CASE("a training is drawn from its epochs: loss and test accuracy, seeds as a band") {
  const Plots drawn = curves(training_input(3));
  REQUIRE(drawn.drawings.size() == 2);
  CHECK(drawn.drawings[0].id == "curve-test.top1");
  CHECK(drawn.drawings[1].id == "curve-train.loss");
  CHECK(drawn.drawings[1].csv ==
        "cell,configuration,epoch,train.loss mean,sd,n\r\n"
        "c1,fp32,1,2.05,0.07071067812,2\r\n"
        "c1,fp32,2,1.05,0.07071067812,2\r\n"
        "c1,fp32,3,0.7166666667,0.07071067812,2\r\n");
  CHECK(drawn.drawings[1].picture.script.find("filledcurves") != std::string::npos);
  CHECK(drawn.drawings[0].picture.script.find("filledcurves") == std::string::npos);  // no spread
  CHECK(drawn.drawings[0].picture.script.find("test.top1 (%)") != std::string::npos);
}

TEST_CASE("two epochs are no curve, which the report says") {
  const Plots drawn = curves(training_input(2));
  CHECK(drawn.drawings.empty());
  REQUIRE(drawn.skipped.size() == 2);
  CHECK(drawn.skipped[0].find("fewer than 3") != std::string::npos);
}

TEST_CASE("the state of each epoch stands in trials.jsonl and in no other file") {
  const Report report = compose(training_input(3));
  int files_with_state = 0;
  for (const ReportFile& file : report.files) {
    if (file.content.find(kState) == std::string::npos) continue;
    ++files_with_state;
    CHECK(file.path == "trials.jsonl");
  }
  CHECK(files_with_state == 1);
}

}  // namespace
}  // namespace bitsweep::report
