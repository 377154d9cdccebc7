// A job of kind "train": what it tells on the way, the checkpoints it keeps, its result.
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>

#include "config/trial.h"
#include "run/protocol.h"
#include "train/trial.h"
#include "worker/result.h"
#include "worker/send.h"

namespace bitsweep::worker {

// train::Session::run of the job's device; tests give their own.
using Train = std::function<train::Outcome(
    const config::TrialConfig& config, const train::Folders& folders,
    const train::Listener& listener, std::optional<std::int64_t> stop_after_epochs)>;

// Returns the last event: "done", with the result written, or "failed" of class "preempted" where a
// signal stopped it (worker/stop.h). Throws what `train` throws, everything that was measured sent.
nlohmann::json run_training(const run::Job& job, const config::TrialConfig& config,
                            const Usage& usage, const Train& train, const Send& send);

}  // namespace bitsweep::worker
