// The mathematics of ACIQ (document 004; Banner, Nahshan, Soudry, arXiv 1810.05723; facts B.2):
// what clipping a tensor of a known distribution to [−α, α] and rounding it costs, and the α that
// costs least. In units of the prior's scale: b of a Laplace distribution, σ of a Gauss
// distribution; an error of α·s is s² times as large. Float64.
#pragma once

#include <optional>

#include "kernels/fake_quantize_math.h"

namespace bitsweep::quant {

enum class Prior { laplace, gauss };

// Mean squared error with `levels` > 0 equal bins over [−α, α], α >= 0: what lies beyond the ends,
// plus the noise α² / (3·levels²) of rounding. M bits have 2^M levels; levels need not be whole
// (bins of the mid-tread quantizer).
//   Laplace: 2·e^(−α) + α²/(3·levels²)
//   Gauss:   (1 + α²)·erfc(α/√2) − √(2/π)·α·e^(−α²/2) + α²/(3·levels²)
double clipping_mse(Prior prior, double alpha, double levels);

// The α with the smallest clipping_mse. Laplace: W₀(3·levels²), which solves α·e^α = 3·levels²
// (Lambert's W; the document solves it numerically). Gauss: the root of the derivative, which rises
// all the way, by bracketing.
double optimal_clipping(Prior prior, double levels);

// The same where a ReLU is performed: [0, α] with `levels` bins, and what is below 0 costs nothing.
// By symmetry half of the two-sided error with twice the levels, so that α⁺(levels) = α(2·levels).
double one_sided_clipping_mse(Prior prior, double alpha, double levels);
double one_sided_optimal_clipping(Prior prior, double levels);

// The constant of the published source for M bits, two decimals (facts B.2.2: most are truncated,
// 5.03 is rounded). Nothing where the source has none: above 8 bits, and Gauss at 0 bits.
std::optional<double> published_clipping(Prior prior, int bits, bool one_sided);

// The error that a grid really makes on the prior with scale 1: each cell between two codes
// integrated in closed form. Larger than clipping_mse, which takes 2^M steps for 2^M codes. The
// grid has a scale above 0.
double grid_mse(Prior prior, const kernels::AffineGrid& grid);

}  // namespace bitsweep::quant
