// What a file of whole numbers holds, for people and programs: `bitsweep inspect` of one.
#pragma once

#include <string>

#include "export/inspection.h"
#include "export/safetensors.h"

namespace bitsweep::integer {

// One row a step: {"name", "kind", "shape", …} with, as far as the step has them,
//   codes of the weights: "bits" (they are packed in), "elements", "min", "max", "mean", "std",
//     "zeros", "scale" (real weight = code / scale)
//   "multiplier" [smallest, largest], "multipliers" (how many), "offset" [smallest, largest],
//     "other_multiplier", "fraction_bits", "added_shift", "input_shift"
//   "input", "other": names of the tensors it reads; "input_scale", "input_low", "input_high"
//   "output", "output_scale", "output_low", "output_high", "quantized", "alpha": where the
//     quantizer of the output learned one
// shape: of the weights, else of the output. Throws DataError for a damaged file.
exporting::Inspection inspect(const exporting::SafetensorsFile& file);

// The row of one step, the multipliers and offsets of its channels, and the histogram of its
// weights' codes, or else of nothing. Throws ConfigError where the network has no such step.
exporting::LayerInspection inspect_step(const exporting::SafetensorsFile& file,
                                        const std::string& name, int bins);

}  // namespace bitsweep::integer
