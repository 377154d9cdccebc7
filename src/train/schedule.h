// Learning-rate schedules (`train.schedule`): a file src/train/schedules/<word>.cpp that defines
// register_<word>() and the word in src/train/meson.build. The rate is a pure function of the step,
// so that a resumed run needs no state for it.
#pragma once

#include <cstdint>
#include <string>

#include "config/trial.h"
#include "core/registry.h"

namespace bitsweep::train {

// Where a training stands, in epochs since its start. With `train.schedule_unit = "epoch"` these
// are whole: the rate changes where an epoch begins; with "step" they grow with every step.
struct Position {
  double epoch = 0;   // done
  double warmup = 0;  // length of the warm-up
  double total = 0;   // train.epochs, also where max_steps ends the training earlier

  // The schedule's own time: it begins where the warm-up ends.
  double elapsed() const { return epoch > warmup ? epoch - warmup : 0; }
  double length() const { return total - warmup; }
};

struct Schedule {
  std::string name;
  std::string summary;
  // The rate at a position after the warm-up.
  double (*rate)(const config::TrainConfig& config, const Position& position) = nullptr;
};

const Registry<Schedule>& schedules();

// The rate of step `step` (from 0). In the warm-up, which lasts round(warmup_epochs ·
// steps_per_epoch) steps: lr · (step + 1) / steps of the warm-up, linear and per step. After it:
// the schedule. cosine and exponential begin where the warm-up ends (as PyTorch's SequentialLR);
// milestones are epochs of the whole training, warm-up included. steps_per_epoch >= 1. Throws
// ConfigError for an unknown schedule or unit.
double learning_rate(const config::TrainConfig& config, std::int64_t step,
                     std::int64_t steps_per_epoch);

}  // namespace bitsweep::train
