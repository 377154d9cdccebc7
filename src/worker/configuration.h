// From the settings that the supervisor sends to a trial's configuration.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>

#include "config/trial.h"

namespace bitsweep::worker {

// settings: flat (config::Settings::to_json); paths: setting key → absolute path on this machine,
// which takes its place. input_height: of the network, where it is known; else its model is asked,
// so that data.image_size is always set. Throws as config::to_trial.
config::TrialConfig trial_config(const nlohmann::json& settings, const nlohmann::json& paths,
                                 std::optional<std::int64_t> input_height = std::nullopt);

}  // namespace bitsweep::worker
