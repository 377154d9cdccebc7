// Questions about trained networks in whole numbers (worker/questions.h).
#pragma once

#include <c10/core/Device.h>

#include <nlohmann/json_fwd.hpp>

#include "config/trial.h"
#include "worker/send.h"

namespace bitsweep::worker {

// Makes the integer network of a training ("trained_weights") with the trial's quant.integer.* and
// writes it to `file` → {"steps"}. Throws ConfigError for what has no integer form.
nlohmann::json export_integers(const nlohmann::json& question, const config::TrialConfig& config,
                               c10::Device device);

// The integer network of `file` beside the one made again, and beside the fake-quantized one on the
// test images: predictions, and codes node by node over the first `compared` images.
//   → {"same_network", "images", "integer_correct", "float_correct", "flips", "only_integer",
//      "only_float", "mcnemar_p", "seconds", "slow_steps", "rows": [{"name", "largest_lsb",
//      "differing", "elements"}]}
nlohmann::json compare_integers(const nlohmann::json& question, const config::TrialConfig& config,
                                c10::Device device, const Send& send);

}  // namespace bitsweep::worker
