// A network trained with quantizers (scheme `dorefa_pact`, document 002) as codes and clamps.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>

#include "config/trial.h"
#include "export/quantized_network.h"

namespace bitsweep::exporting {

// weights: the file that the training left, with its α. settings: of the trial, flat. Key, name and
// what it recorded are left to the caller. Layers and outputs that training left in full precision
// stay so. Throws ConfigError for a trial without quantizers, DataError for missing or damaged
// weights.
QuantizedNetwork trained_network(const config::TrialConfig& config, const nlohmann::json& settings,
                                 const std::filesystem::path& weights);

}  // namespace bitsweep::exporting
