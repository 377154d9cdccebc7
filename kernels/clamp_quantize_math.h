// Activation quantizers that clamp and then round on a grid through zero: the only place where the
// formulas of document 002 stand (facts A.4.2). One form serves all four:
//   y = round(clamp(factor·x, low, high) · scale) / scale,   ties to even,
// with, for b bits,
//   DoReFa clamp       factor f, [0, 1],         scale 2^b − 1       (Zhou 2016, eq. 5; y stays in
//   [0, 1]) fixed-scale PACT   [0, c],                   scale (2^b − 1)/c PACT               [0,
//   α],                   scale (2^b − 1)/α   (Choi 2018, eqs. 1 and 2) mPACT              [−|α|,
//   |α|],              scale (2^(b−1) − 1)/|α|
// Gradients are straight through the rounding: dy/dx = factor inside the clamp, ends included; and
// dy/dα = 1 where x ≥ α, and for mPACT −1 where x ≤ −α (no rounding residue), else 0.
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/formula.h"

namespace bitsweep::kernels {

enum class ClampQuantizerKind : std::uint8_t { none, dorefa_clamp, pact_fixed, pact, mpact };

// As configured. The learned α lives elsewhere, because it changes from step to step.
struct ClampQuantizer {
  ClampQuantizerKind kind = ClampQuantizerKind::none;
  int bits = 8;         // 1–16; mPACT from 2
  float factor = 1.0f;  // dorefa_clamp
  float clip = 1.0f;    // c of pact_fixed

  bool learns() const {
    return kind == ClampQuantizerKind::pact || kind == ClampQuantizerKind::mpact;
  }
};

// The quantizer with its α put in.
struct ClampGrid {
  float factor;
  float low;
  float high;
  float scale;
  float alpha_high;  // dy/dα where factor·x ≥ high
  float alpha_low;   // dy/dα where factor·x ≤ low
};

// α is read for the quantizers that learn; it must not be 0. A negative α stands for its absolute
// value, and dy/dα then has the sign that the absolute value's derivative gives it.
BITSWEEP_FORMULA ClampGrid clamp_grid(const ClampQuantizer& q, float alpha) {
  const float unsigned_levels = static_cast<float>((std::int64_t{1} << q.bits) - 1);
  const float signed_levels = static_cast<float>((std::int64_t{1} << (q.bits - 1)) - 1);
  const float size = fabsf(alpha);
  const float sign = alpha < 0.0f ? -1.0f : 1.0f;
  switch (q.kind) {
    case ClampQuantizerKind::dorefa_clamp:
      return {q.factor, 0.0f, 1.0f, unsigned_levels, 0.0f, 0.0f};
    case ClampQuantizerKind::pact_fixed:
      return {1.0f, 0.0f, q.clip, unsigned_levels / q.clip, 0.0f, 0.0f};
    case ClampQuantizerKind::pact:
      return {1.0f, 0.0f, size, unsigned_levels / size, sign, 0.0f};
    case ClampQuantizerKind::mpact:
      return {1.0f, -size, size, signed_levels / size, sign, -sign};
    case ClampQuantizerKind::none:
      break;
  }
  return {1.0f, -INFINITY, INFINITY, 0.0f, 0.0f, 0.0f};
}

// The whole number that y stands for.
BITSWEEP_FORMULA float clamp_code(float x, const ClampGrid& grid) {
  float v = x * grid.factor;
  v = v < grid.low ? grid.low : v;  // in this order NaN stays NaN, so that divergence shows
  v = v > grid.high ? grid.high : v;
  return rintf(v * grid.scale);
}

BITSWEEP_FORMULA float clamp_quantize(float x, const ClampGrid& grid) {
  return clamp_code(x, grid) / grid.scale;
}

// dy/dx. Selects, one after the other: what g++ makes vector code of.
BITSWEEP_FORMULA float clamp_slope(float x, const ClampGrid& grid) {
  const float v = x * grid.factor;
  const float from_low = v >= grid.low ? grid.factor : 0.0f;
  return v <= grid.high ? from_low : 0.0f;
}

// dy/dα.
BITSWEEP_FORMULA float clamp_alpha_slope(float x, const ClampGrid& grid) {
  const float v = x * grid.factor;
  const float above = v >= grid.high ? grid.alpha_high : 0.0f;
  return v <= grid.low ? grid.alpha_low : above;
}

}  // namespace bitsweep::kernels
