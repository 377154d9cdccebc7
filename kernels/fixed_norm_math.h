// Batch norms in training as integer inference will have them: scale and shift on a fixed-point
// grid (document 002, facts A.4.4, A.9; the grid: fixed_point_math.h). Gradients are straight
// through this rounding: those of the norm without it.
#pragma once

#include "kernels/fixed_point_math.h"
#include "kernels/formula.h"
#include "kernels/fused_layer_math.h"

namespace bitsweep::kernels {

// The nearest number of the format, rounded once more to float32, which holds 24 of its bits. NaN
// stays NaN, so that divergence shows.
BITSWEEP_FORMULA float on_fixed_point(float v, FixedPoint format) {
  if (!(v == v)) return v;
  const double steps = static_cast<double>(std::int64_t{1} << format.fraction_bits());
  return static_cast<float>(fixed_of(v, format, FixedSaturation::value) / steps);
}

// mean and inverse_std, which gradients read, stay.
BITSWEEP_FORMULA NormAffine fixed_norm(NormAffine affine, FixedPoint format) {
  affine.scale = on_fixed_point(affine.scale, format);
  affine.shift = on_fixed_point(affine.shift, format);
  return affine;
}

}  // namespace bitsweep::kernels
