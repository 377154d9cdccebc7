// The learned ends of activation quantizers beside the weights of a trained network.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "export/safetensors.h"

namespace bitsweep::exporting {

// Where weights.safetensors holds α: metadata, a JSON object by node, so that the file loads into
// the network with or without quantizers.
inline constexpr const char* kAlphaMetadata = "bitsweep.alpha";
// "step" where these are steps of `lsq`; absent where they are clips.
inline constexpr const char* kAlphaKindMetadata = "bitsweep.alpha_kind";
inline constexpr const char* kStepKind = "step";

// An empty object where the file holds none. Throws DataError for anything but finite numbers that
// are not 0, by node.
nlohmann::json alphas_of(const SafetensorsFile& file);
// Whether they are steps.
bool holds_steps(const SafetensorsFile& file);

}  // namespace bitsweep::exporting
