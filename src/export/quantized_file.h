// The exported file of a quantized network: safetensors with packed codes, grids, corrections in
// float and in integers, the graph, and checksums of all of it (docs/formats.md).
#pragma once

#include <filesystem>

#include "export/quantized_network.h"
#include "export/safetensors.h"

namespace bitsweep::exporting {

inline constexpr int kQuantizedFileVersion = 1;

// The same network gives the same bytes. Throws EnvironmentError where it cannot be written.
void write_quantized(const std::filesystem::path& path, const QuantizedNetwork& network);

// Whether the file says that it is one.
bool is_quantized_file(const SafetensorsFile& file);

// Throws DataError with file, place and reason: no exported network, of a newer version, a
// checksum that does not match (which bytes), or content that contradicts itself.
QuantizedNetwork read_quantized(const std::filesystem::path& path);
QuantizedNetwork read_quantized(const SafetensorsFile& file);

}  // namespace bitsweep::exporting
