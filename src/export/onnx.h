// A quantized network as an ONNX model of QuantizeLinear and DequantizeLinear (opset 21), which
// ONNX Runtime and others run (docs/formats.md, "ONNX").
//
// Weights are integers behind a DequantizeLinear: 4-bit types where every code fits, else 8 or 16
// bits; corrections are part of its scale, and an addition where they shift. Outputs are clipped to
// their codes where those are fewer than the type has (6 bits within 8), then quantized and
// dequantized. Ties go to the even code everywhere, so a value on half a step may fall on the other
// side than document 004's rounding puts it.
#pragma once

#include <filesystem>

#include "export/quantized_network.h"

namespace bitsweep::exporting {

inline constexpr int kOnnxOpset = 21;

// Input "images" [N, channels, height, width] float32, normalized; output "logits" [N, classes].
// Metadata: bitsweep.trial, bitsweep.normalization. Throws ConfigError for a channel whose range is
// empty, EnvironmentError where the file cannot be written.
void write_onnx(const std::filesystem::path& path, const QuantizedNetwork& network);

}  // namespace bitsweep::exporting
