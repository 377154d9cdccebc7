// Adaptive rounding, AdaRound (Nagel, Amjad, van Baalen, Louizos, Blankevoort: "Up or Down?
// Adaptive Rounding for Post-Training Quantization", ICML 2020): which weights of a layer are
// rounded up and which down, so that the layer's outputs, not its weights, change least.
//
// A code is clamp(⌊w/s⌋ + z + h(V)) (eq. 22) with the rectified sigmoid h(V) = clip(σ(V)(ζ − γ) +
// γ, 0, 1), ζ = 1.1, γ = −0.1 (eq. 23). Minimised by Adam: the mean over samples of ‖f(Wx) −
// f(W̃x̂)‖², summed over channels, f the ReLU behind the layer if there is one, x̂ its input in the
// quantized network and x that in full precision (eq. 25), plus λ·Σ(1 − |2h − 1|^β) (eq. 24) with λ
// = 0.01, absent for the first fifth of the steps, then with β from 20 down to 2. Learning rate
// 0.01 and batches of 256 samples are ours; the paper takes 10,000 steps.
//
// Where an output channel comes out worse than rounded to nearest on the samples, it is left so:
// reconstruction never gets worse. On the processor alone.
#pragma once

#include <cstdint>
#include <vector>

#include "ptq/quantizer.h"

namespace bitsweep::ptq {

// Samples of one layer; a sample is one position of one image. `outputs` and `inputs` count within
// a group: a linear layer has one.
struct RoundingProblem {
  std::int64_t groups = 1;
  std::int64_t outputs = 0;
  std::int64_t inputs = 0;  // channels of a group × kernel elements
  std::int64_t samples = 0;
  std::vector<float> x;       // [groups, samples, inputs], of the quantized network
  std::vector<float> target;  // [groups, samples, outputs], before f, of the full-precision network
  std::vector<float> bias;    // [groups · outputs]
  bool relu = false;          // f

  std::vector<float> weight;  // [groups · outputs, inputs], full precision
  const Quantizer* quantizer = nullptr;
};

struct RoundingSettings {
  std::int64_t steps = 1000;
  std::uint64_t seed = 0;    // of the batches
  std::uint32_t stream = 0;  // another for each layer
};

struct AdaptedRounding {
  std::vector<float> values;  // [groups · outputs, inputs], on the quantizer's grids
  double nearest_error = 0;  // mean over samples of ‖f(Wx) − f(W̃x̂)‖², rounded to nearest …
  double adapted_error = 0;  // … and as found
};

AdaptedRounding adapt_rounding(const RoundingProblem& problem, const RoundingSettings& settings);

}  // namespace bitsweep::ptq
