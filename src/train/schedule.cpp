#include "train/schedule.h"

#include <array>
#include <cmath>

#include "core/check.h"

namespace bitsweep::train {
namespace {

double epochs_done(const std::string& unit, std::int64_t step, std::int64_t steps_per_epoch) {
  if (unit == "epoch") return static_cast<double>(step / steps_per_epoch);
  if (unit == "step") return static_cast<double>(step) / static_cast<double>(steps_per_epoch);
  const std::array<std::string, 2> known{"epoch", "step"};
  throw ConfigError(unknown_name_message("train.schedule_unit", unit, known));
}

}  // namespace

double learning_rate(const config::TrainConfig& config, std::int64_t step,
                     std::int64_t steps_per_epoch) {
  BITSWEEP_CHECK(step >= 0 && steps_per_epoch >= 1, "step {} of {} per epoch", step,
                 steps_per_epoch);
  const Schedule& schedule = schedules().get(config.schedule);
  const std::int64_t warmup_steps =
      std::llround(config.warmup_epochs * static_cast<double>(steps_per_epoch));
  if (step < warmup_steps)
    return config.lr * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
  return schedule.rate(config, {.epoch = epochs_done(config.schedule_unit, step, steps_per_epoch),
                                .warmup = config.warmup_epochs,
                                .total = static_cast<double>(config.epochs)});
}

}  // namespace bitsweep::train
