// How fake quantization depends on its scale and zero point, for quantizers that learn them: LSQ
// (Esser et al. 2020, eq. 3) and LSQ+ (Bhalgat et al. 2020, eqs. 5 and 6), as
// torch._fake_quantize_learnable_* has it; and the weight quantizer whose scale follows the largest
// weight (Brevitas' default). The only place where these formulas stand. With z the zero point and
// c = round(x / s) + z,
//               c < qmin   qmin <= c <= qmax   c > qmax
//   dy/dx       0          1                   0
//   dy/ds       qmin − z   (c − z) − x / s     qmax − z
//   dy/dz       −s         0                   −s
#pragma once

#include <cstdint>

#include "kernels/fake_quantize_math.h"
#include "kernels/range_math.h"

namespace bitsweep::kernels {

// dy/ds in float64: the difference of two near numbers. NaN for NaN. The grid's origin is 0.
BITSWEEP_FORMULA double scale_slope(float x, const AffineGrid& grid, Rounding rounding) {
  const auto code = static_cast<double>(unclamped_code(x, grid, rounding));
  const auto zero_point = static_cast<double>(grid.zero_point);
  const auto qmin = static_cast<double>(grid.qmin), qmax = static_cast<double>(grid.qmax);
  const double clamped = code < qmin ? qmin : code;  // in this order NaN stays NaN
  const double at_end = (clamped > qmax ? qmax : clamped) - zero_point;
  const double position = static_cast<double>(x) / static_cast<double>(grid.scale);
  return at_end - ((code >= qmin) & (code <= qmax) ? position : 0.0);
}

// dy/dz.
BITSWEEP_FORMULA double zero_point_slope(float x, const AffineGrid& grid, Rounding rounding) {
  const float code = unclamped_code(x, grid, rounding);
  return in_range(code, grid) != 0 ? 0.0 : -static_cast<double>(grid.scale);
}

// dL/dx.
BITSWEEP_FORMULA float through_grid(float grad_y, float x, const AffineGrid& grid,
                                    Rounding rounding) {
  return in_range(unclamped_code(x, grid, rounding), grid) != 0 ? grad_y : 0.0f;
}

// The largest magnitude of a channel and the first element that has it; NaN does not count.
struct MaxAbs {
  float value;
  std::int64_t at;  // index into the whole array
};

// Scale max|w| / n, codes −n … n, n = 2^(bits−1) − 1; bits 2–16.
BITSWEEP_FORMULA AffineGrid max_abs_grid(const MaxAbs& max_abs, int bits) {
  return symmetric_grid(max_abs.value, bits, SymmetricCodes::narrow);
}

// What the maximum adds to its gradient, because the scale follows it: dL/ds · ds/dw. Nothing
// where the scale rests on its floor.
BITSWEEP_FORMULA double max_abs_gradient(double grad_scale, float w, const AffineGrid& grid) {
  return grid.scale > kScaleFloor
             ? grad_scale * copysign(1.0, static_cast<double>(w)) / static_cast<double>(grid.qmax)
             : 0.0;
}

}  // namespace bitsweep::kernels
