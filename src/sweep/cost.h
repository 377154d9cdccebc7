// How long a plan's trials will take: measured where they ran before, else estimated from
// multiply-accumulates.
#pragma once

#include <optional>
#include <span>

#include "config/trial.h"
#include "sweep/locate.h"
#include "sweep/plan.h"

namespace bitsweep::sweep {

// Fills PlannedTrial::cost. `past_seconds`: what each trial of the plan took when it last
// succeeded, parallel to plan.trials, or empty. The others are estimated as MACs · passes / rate,
// at the median rate of those that ran before; kMacsPerSecond where none did. Trials of unknown
// size have no cost.
void estimate_costs(Plan& plan, std::span<const std::optional<double>> past_seconds = {});

// One core of a 2020s server without AMX, ResNet20 on batches of 500, fake quantization included.
inline constexpr double kMacsPerSecond = 2e10;

// Passes of one image through the network: one for each that calibrates or is evaluated, one
// forward and two backward for each that trains.
std::int64_t image_passes(const config::TrialConfig& trial, const ImagesRead& read);
inline constexpr std::int64_t kPassesOfATrainedImage = 3;

}  // namespace bitsweep::sweep
