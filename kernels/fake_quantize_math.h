// Affine fake quantization: the only place where its formulas stand (docs/numerics.md, "The affine
// grid" and "Rounding").
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/formula.h"

namespace bitsweep::kernels {

// The codes qmin … qmax and their place on the real line:
// x ≈ origin + (code − zero_point) · scale.
struct AffineGrid {
  // Step; > 0, or exactly 0 for the grid of an empty range, which has no codes: fake quantization
  // then returns its input (document 004, kernel path).
  float scale;
  // A whole number, in float32 because a constant tensor far from zero has one beyond int32. Zero
  // is exact where zero_point is a code; it may also lie outside.
  float zero_point;
  std::int32_t qmin;
  std::int32_t qmax;  // |code| < 2^23, so that codes are exact in float32
  // Real value of the code `zero_point`; 0 except for a grid anchored at a real lower end.
  float origin = 0.0f;
};

enum class Ties : std::uint8_t {
  even,  // half steps go to the even code (torch, ONNX, document 004's vector path)
  away,  // half steps go away from zero (C roundf, Paddle, document 004's kernel path)
};

enum class Scaling : std::uint8_t {
  divide,      // x / scale, one rounding (ONNX, the documents)
  reciprocal,  // x · (1 / scale) with a float32 reciprocal (torch); moves 12 % of exact half steps
};

enum class ZeroPointOrder : std::uint8_t {
  after_rounding,   // round(v) + z: the sum is exact
  before_rounding,  // round(v + z), as document 004 does: the sum is rounded to float32 first, and
                    // a half step with an odd z goes to the other neighbour
};

// How a real number becomes a code. The default is the project's own contract.
struct Rounding {
  Ties ties = Ties::even;
  Scaling scaling = Scaling::divide;
  ZeroPointOrder zero_point = ZeroPointOrder::after_rounding;

  friend bool operator==(const Rounding&, const Rounding&) = default;
};

// torch.fake_quantize_per_tensor_affine and its per-channel sibling.
inline constexpr Rounding kTorchRounding{Ties::even, Scaling::reciprocal,
                                         ZeroPointOrder::after_rounding};
// Document 004 (facts B.1.1): per channel, and per tensor where clipped.
inline constexpr Rounding kDocument004VectorRounding{Ties::even, Scaling::divide,
                                                     ZeroPointOrder::before_rounding};
// Document 004 (facts B.1.2): per tensor without clipping.
inline constexpr Rounding kDocument004KernelRounding{Ties::away, Scaling::divide,
                                                     ZeroPointOrder::before_rounding};

// Nearest whole number; NaN and infinities stay what they are.
BITSWEEP_FORMULA float round_to_whole(float v, Ties ties) {
  if (ties == Ties::even) return rintf(v);
  // Not trunc(v + copysign(0.5, v)), which takes 0.49999997 to 1; v − trunc(v) is exact.
  const float whole = truncf(v);
  return fabsf(v - whole) >= 0.5f ? whole + copysignf(1.0f, v) : whole;
}

// floor(v) or floor(v) + 1, the latter with probability floor(fraction · 2^32) / 2^32: the mean is
// v to within 2^-32. `bits` are uniform.
BITSWEEP_FORMULA float round_stochastically(float v, std::uint32_t bits) {
  const float below = floorf(v);
  const float fraction = v - below;  // exact where |v| < 2^23; NaN beyond the finite
  const auto threshold = fraction < 1.0f ? static_cast<std::uint64_t>(fraction * 0x1p32f) : 0;
  return bits < threshold ? below + 1.0f : below;
}

// x in steps from the origin, before any rounding to a code.
BITSWEEP_FORMULA float in_steps(float x, const AffineGrid& grid, Scaling scaling) {
  const float distance = x - grid.origin;
  return scaling == Scaling::divide ? distance / grid.scale : distance * (1.0f / grid.scale);
}

// Code of x before clamping, kept in float: it may exceed any integer type.
BITSWEEP_FORMULA float unclamped_code(float x, const AffineGrid& grid, Rounding rounding) {
  const float v = in_steps(x, grid, rounding.scaling);
  return rounding.zero_point == ZeroPointOrder::after_rounding
             ? round_to_whole(v, rounding.ties) + grid.zero_point
             : round_to_whole(v + grid.zero_point, rounding.ties);
}

// As above with stochastic rounding in place of ties; the zero point is added after rounding.
BITSWEEP_FORMULA float unclamped_code_stochastic(float x, const AffineGrid& grid,
                                                 std::uint32_t bits) {
  return round_stochastically(in_steps(x, grid, Scaling::divide), bits) + grid.zero_point;
}

// 1 where the straight-through gradient passes, 0 for NaN and for values beyond the outermost
// codes. Unsigned and without && : a branch here would keep the loop around it scalar.
BITSWEEP_FORMULA std::uint32_t in_range(float code, const AffineGrid& grid) {
  return static_cast<std::uint32_t>(code >= static_cast<float>(grid.qmin)) &
         static_cast<std::uint32_t>(code <= static_cast<float>(grid.qmax));
}

// Clamping after rounding equals clamping before it, as the documents write it: the ends are whole.
// Comparisons, not fmin/fmax: they vectorise everywhere, and NaN has one answer everywhere (qmin;
// callers that care refuse NaN before they come here).
BITSWEEP_FORMULA float clamped_code(float code, const AffineGrid& grid) {
  const float low = static_cast<float>(grid.qmin);
  const float high = static_cast<float>(grid.qmax);
  code = code > low ? code : low;
  return code < high ? code : high;
}

BITSWEEP_FORMULA float dequantize(float code, const AffineGrid& grid) {
  return (code - grid.zero_point) * grid.scale + grid.origin;
}

struct FakeQuantized {
  float y;
  std::uint32_t passes;  // 1 or 0, as in_range
};

// x on the grid, given its unclamped code. On an empty grid x itself.
BITSWEEP_FORMULA FakeQuantized fake_quantized(float x, float code, const AffineGrid& grid) {
  const bool empty = grid.scale == 0.0f;
  return {empty ? x : dequantize(clamped_code(code, grid), grid),
          static_cast<std::uint32_t>(empty) | in_range(code, grid)};
}

}  // namespace bitsweep::kernels
