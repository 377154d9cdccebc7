// What calibration images improve about a prepared configuration, layer by layer, each behind those
// that are improved already:
// - adaptive rounding of weights (ptq/adaptive_rounding.h), then
// - re-estimation of batch norms: the folded network has none left, so each channel of a layer's
//   output gets the mean and standard deviation back that it has in full precision, by a factor and
//   a shift of its own (Hubara, Nahshan, Hanani, Banner, Soudry: "Accurate Post Training
//   Quantization With Small Calibration Sets", ICML 2021, batch-norm tuning; there γ and β of a
//   norm that is put back). y' = (y − μ_q)·σ/σ_q + μ goes into the weights, which so leave their
//   grid by one factor a channel, and the bias. A channel that is constant in either network keeps
//   its factor at 1.
#pragma once

#include "config/trial.h"
#include "ptq/calibrator.h"
#include "ptq/prepare.h"

namespace bitsweep::ptq {

// Whether the configuration asks for any of it.
bool refines(const config::QuantConfig& quant);

// Replaces weights of `prepared` (never in place: others may share them), and their quantizers.
// Reads all calibration images at once where the largest tensor then has at most 2^26 elements,
// else as many of the first as that allows. Throws EnvironmentError on a GPU, where it does not
// run, and Diverged.
void refine(const config::TrialConfig& config, const CalibrationImages& images, at::Device device,
            Prepared& prepared);

}  // namespace bitsweep::ptq
