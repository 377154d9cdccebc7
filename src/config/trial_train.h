// The training part of config/trial.h, for to_trial alone.
#pragma once

#include "config/reader.h"
#include "config/trial.h"

namespace bitsweep::config {

// Throws ConfigError with the places of keys that contradict each other.
TrainConfig read_train(const Reader& in, const DataConfig& data);

}  // namespace bitsweep::config
