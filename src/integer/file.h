// Integer networks as checked safetensors files whose arrays take the bits that they need: weights
// of 4, 6 or 8 bits really packed (docs/formats.md, "Whole numbers").
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "export/safetensors.h"
#include "integer/network.h"

namespace bitsweep::integer {

// about: where the network is from (trial, α, scales of training), kept as it is. The same network
// gives the same bytes. Throws EnvironmentError.
void save(const std::filesystem::path& path, const Network& network, const nlohmann::json& about);

bool is_integer_file(const exporting::SafetensorsFile& file);

// Throws DataError with file, place and reason for a damaged file, and as check().
Network load(const exporting::SafetensorsFile& file);

// What save() was told of it. Throws DataError as above.
nlohmann::json about_of(const exporting::SafetensorsFile& file);

}  // namespace bitsweep::integer
