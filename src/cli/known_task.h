// A known trial as something that runs here: its settings, and where its weights lie.
#pragma once

#include <string>

#include "cli/known_trial.h"
#include "run/task.h"

namespace bitsweep::cli {

// The trial's identity is checked: a bitsweep that understands the configuration otherwise must not
// run it under this key. weights: a file to start from; "" finds the one that the trial started
// from by its SHA-256. Throws DataError where it is not found, ConfigError for another identity.
run::Task known_task(const KnownTrial& known, const std::string& database,
                     const std::string& weights);

// The weights that a training left: the file in the run folder of its attempt in `database`. Throws
// DataError where it is gone or is not what was recorded.
std::string trained_weights(const KnownTrial& known, const std::string& database);

}  // namespace bitsweep::cli
