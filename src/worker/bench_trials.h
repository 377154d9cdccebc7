// The trials that benchmarks run: the carried ResNet20 on the carried images.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/trial.h"
#include "config/value.h"

namespace bitsweep::worker {

using BenchKeys = std::vector<std::pair<std::string, config::Value>>;

// Scheme aciq, with further keys. Throws DataError where the carried weights are missing.
config::TrialConfig bench_trial(const BenchKeys& keys);

}  // namespace bitsweep::worker
