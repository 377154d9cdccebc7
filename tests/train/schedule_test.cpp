#include "train/schedule.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>

#include "config/schema.h"
#include "core/error.h"

using namespace bitsweep;
using namespace bitsweep::train;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

constexpr std::int64_t kStepsPerEpoch = 10;

config::TrainConfig training(const std::string& schedule, std::int64_t epochs, double lr) {
  config::TrainConfig out;
  out.schedule = schedule;
  out.schedule_unit = "epoch";
  out.epochs = epochs;
  out.lr = lr;
  return out;
}

// In the middle of an epoch, where a rate per epoch must be what it was at its beginning.
double at_epoch(const config::TrainConfig& config, std::int64_t epoch) {
  const double rate = learning_rate(config, epoch * kStepsPerEpoch + 5, kStepsPerEpoch);
  CHECK(rate == learning_rate(config, epoch * kStepsPerEpoch, kStepsPerEpoch));
  return rate;
}

}  // namespace

TEST_CASE("cosine gives the rates of document 002") {
  config::TrainConfig config = training("cosine", 300, 0.01);
  config.lr_floor = 0.001;
  CHECK(at_epoch(config, 0) == 0.01);
  CHECK_THAT(at_epoch(config, 75), WithinAbs(0.008682, 5e-7));
  CHECK_THAT(at_epoch(config, 150), WithinAbs(0.0055, 5e-7));
  CHECK_THAT(at_epoch(config, 225), WithinAbs(0.002318, 5e-7));
  CHECK_THAT(at_epoch(config, 299), WithinAbs(0.0010, 5e-7));
  CHECK(at_epoch(config, 299) > 0.001);
}

TEST_CASE("cosine per step falls within an epoch and reaches the floor at the end alone") {
  config::TrainConfig config = training("cosine", 4, 1.0);
  config.schedule_unit = "step";
  CHECK(learning_rate(config, 0, kStepsPerEpoch) == 1.0);
  CHECK_THAT(learning_rate(config, 5, kStepsPerEpoch),
             WithinRel(0.5 * (1 + std::cos(M_PI / 8)), 1e-15));
  for (std::int64_t step = 1; step < 40; ++step)
    CHECK(learning_rate(config, step, kStepsPerEpoch) <
          learning_rate(config, step - 1, kStepsPerEpoch));
  CHECK(learning_rate(config, 39, kStepsPerEpoch) > 0);
  CHECK_THAT(learning_rate(config, 40, kStepsPerEpoch), WithinAbs(0, 1e-15));
}

TEST_CASE("constant never changes") {
  const config::TrainConfig config = training("constant", 3, 0.2);
  for (std::int64_t step = 0; step < 30; ++step)
    CHECK(learning_rate(config, step, kStepsPerEpoch) == 0.2);
}

TEST_CASE("multistep multiplies by gamma where a milestone's epoch begins") {
  config::TrainConfig config = training("multistep", 10, 1.0);
  config.milestones = {3, 6};
  config.gamma = 0.5;
  CHECK(at_epoch(config, 2) == 1.0);
  CHECK(learning_rate(config, 29, kStepsPerEpoch) == 1.0);
  CHECK(at_epoch(config, 3) == 0.5);
  CHECK(at_epoch(config, 5) == 0.5);
  CHECK(at_epoch(config, 6) == 0.25);
  config.schedule_unit = "step";
  CHECK(learning_rate(config, 29, kStepsPerEpoch) == 1.0);
  CHECK(learning_rate(config, 30, kStepsPerEpoch) == 0.5);
}

TEST_CASE("piecewise takes each milestone's own rate") {
  config::TrainConfig config = training("piecewise", 10, 1.0);
  config.milestones = {2, 5};
  config.rates = {0.3, 0.7};
  CHECK(at_epoch(config, 0) == 1.0);
  CHECK(at_epoch(config, 1) == 1.0);
  CHECK(at_epoch(config, 2) == 0.3);
  CHECK(at_epoch(config, 4) == 0.3);
  CHECK(at_epoch(config, 9) == 0.7);
  config.rates = {0.3};
  CHECK_THROWS_AS(at_epoch(config, 0), InternalError);
}

TEST_CASE("exponential multiplies by gamma every epoch") {
  config::TrainConfig config = training("exponential", 10, 0.8);
  config.gamma = 0.5;
  CHECK(at_epoch(config, 0) == 0.8);
  CHECK_THAT(at_epoch(config, 3), WithinRel(0.1, 1e-15));
  config.schedule_unit = "step";
  CHECK_THAT(learning_rate(config, 5, kStepsPerEpoch), WithinRel(0.8 * std::sqrt(0.5), 1e-15));
}

TEST_CASE("a warm-up rises linearly per step, then the schedule begins") {
  config::TrainConfig config = training("cosine", 6, 1.0);
  config.warmup_epochs = 2;
  CHECK(learning_rate(config, 0, kStepsPerEpoch) == 0.05);
  CHECK(learning_rate(config, 9, kStepsPerEpoch) == 0.5);
  CHECK(learning_rate(config, 19, kStepsPerEpoch) == 1.0);
  CHECK(at_epoch(config, 2) == 1.0);  // the cosine's first epoch
  CHECK_THAT(at_epoch(config, 4), WithinRel(0.5, 1e-15));

  SECTION("milestones are epochs of the whole training") {
    config.schedule = "multistep";
    config.milestones = {3};
    CHECK(at_epoch(config, 2) == 1.0);
    CHECK(at_epoch(config, 3) == 0.1);
  }
  SECTION("a warm-up of half an epoch leaves rates per epoch where epochs begin") {
    config.warmup_epochs = 0.5;
    CHECK(learning_rate(config, 4, kStepsPerEpoch) == 1.0);
    CHECK(learning_rate(config, 9, kStepsPerEpoch) == 1.0);
    CHECK_THAT(at_epoch(config, 1), WithinRel(0.5 * (1 + std::cos(M_PI * 0.5 / 5.5)), 1e-15));
  }
  SECTION("a warm-up of the whole training is all there is") {
    config.warmup_epochs = 6;
    CHECK(learning_rate(config, 59, kStepsPerEpoch) == 1.0);
    CHECK(learning_rate(config, 60, kStepsPerEpoch) == 1.0);
  }
}

TEST_CASE("every registered schedule starts at lr and stays finite and positive") {
  CHECK(schedules().entries().size() == 5);
  for (const Schedule& schedule : schedules().entries()) {
    CAPTURE(schedule.name);
    config::TrainConfig config = training(schedule.name, 8, 0.4);
    config.milestones = {2, 4};
    config.rates = {0.2, 0.1};
    CHECK(learning_rate(config, 0, kStepsPerEpoch) == 0.4);
    for (std::int64_t step = 0; step < 80; ++step) {
      const double rate = learning_rate(config, step, kStepsPerEpoch);
      CHECK((rate > 0 && rate <= 0.4));
    }
  }
}

TEST_CASE("the configuration accepts exactly the registered schedules") {
  CHECK(config::schema()[config::require_key("train.schedule", "")].words == schedules().names());
}

TEST_CASE("an unknown schedule or unit is refused with the known ones") {
  CHECK_THROWS_WITH(learning_rate(training("cosin", 1, 1), 0, 1), ContainsSubstring("cosine"));
  config::TrainConfig config = training("constant", 1, 1);
  config.schedule_unit = "batch";
  CHECK_THROWS_WITH(learning_rate(config, 0, 1), ContainsSubstring("schedule_unit"));
}
