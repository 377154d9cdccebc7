// A quantized network as plain float32 weights, for programs that know nothing of codes.
#pragma once

#include <filesystem>

#include "export/quantized_network.h"

namespace bitsweep::exporting {

// Every tensor under the network's names, quantized weights as what their codes stand for. Loads
// with load_weights() into the same network with its batch norms folded as in the trial. Outputs
// are not part of such a file. Throws EnvironmentError.
void write_fake_quantized(const std::filesystem::path& path, const QuantizedNetwork& network);

}  // namespace bitsweep::exporting
