// From a range of real numbers to a grid: the rules of the documents and of the peers that we check
// against, each once (docs/numerics.md, "From a range to a grid"). All in float32, in this order.
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/fake_quantize_math.h"
#include "kernels/formula.h"

namespace bitsweep::kernels {

// Documents: a step is never smaller than this, so that an all-zero or constant tensor stays
// finite.
inline constexpr float kScaleFloor = 1e-8f;
// torch.ao.quantization observers: torch.finfo(float32).eps.
inline constexpr float kTorchScaleFloor = 0x1p-23f;

// [lower, lower + length]. The length is kept, not the upper end: clipping rules set it directly,
// and upper − lower would be rounded a second time.
struct RealRange {
  float lower;
  float length;
};

BITSWEEP_FORMULA float floored(float scale, float floor) { return scale > floor ? scale : floor; }

// The smallest power of two that is not below `scale` (> 0, finite).
BITSWEEP_FORMULA float power_of_two_scale(float scale) {
  int exponent = 0;
  const float fraction = frexpf(scale, &exponent);  // scale = fraction · 2^exponent, in [0.5, 1)
  return ldexpf(1.0f, fraction == 0.5f ? exponent - 1 : exponent);
}

enum class ScaleRule : std::uint8_t {
  any,
  power_of_two,  // rounded up to one; the codes then reach beyond the range
};

BITSWEEP_FORMULA float ruled(float scale, ScaleRule rule) {
  return rule == ScaleRule::power_of_two ? power_of_two_scale(scale) : scale;
}

// 2^bits codes 0 … 2^bits − 1 over the range; zero is a code if the range contains it, and the
// zero point is not clamped, so a range that excludes zero works too (document 004, vector path,
// facts B.1.1). bits 0 … 16; 0 bits have one code, which stands for the lower end.
BITSWEEP_FORMULA AffineGrid affine_grid(RealRange range, int bits,
                                        ScaleRule rule = ScaleRule::any) {
  const std::int32_t qmax = (std::int32_t{1} << bits) - 1;
  const float step = bits == 0 ? 0.0f : range.length / static_cast<float>(qmax);
  const float scale = ruled(floored(step, kScaleFloor), rule);
  return {scale, rintf(-range.lower / scale) + 0.0f, 0, qmax};  // + 0: never −0
}

// Document 004, kernel path (facts B.1.2): no floor; an empty range has no grid (scale 0, the input
// passes through); zero is a code only where it lies strictly inside, else the lower end is code 0.
// Goes with kDocument004KernelRounding. bits 1 … 16.
BITSWEEP_FORMULA AffineGrid anchored_affine_grid(RealRange range, int bits,
                                                 ScaleRule rule = ScaleRule::any) {
  const std::int32_t qmax = (std::int32_t{1} << bits) - 1;
  if (!(range.length > 0.0f)) return {0.0f, 0.0f, 0, qmax};
  const float scale = ruled(range.length / static_cast<float>(qmax), rule);
  const bool zero_inside = range.lower < 0.0f && range.lower + range.length > 0.0f;
  if (!zero_inside) return {scale, 0.0f, 0, qmax, range.lower};
  return {scale, round_to_whole(-range.lower / scale, Ties::away), 0, qmax};
}

enum class SymmetricCodes : std::uint8_t {
  narrow,  // −(2^(b−1) − 1) … 2^(b−1) − 1: symmetric, one code unused
  full,    // −2^(b−1) … 2^(b−1) − 1
};

// Signed codes with zero point 0; the largest code stands for max_abs. bits 2 … 16. One bit is
// {−1, 0} in the full range (step max_abs) and {0} alone in the narrow one: callers refuse the
// latter.
BITSWEEP_FORMULA AffineGrid symmetric_grid(float max_abs, int bits, SymmetricCodes codes,
                                           ScaleRule rule = ScaleRule::any) {
  const std::int32_t top = (std::int32_t{1} << (bits - 1)) - 1;
  const float step = max_abs / static_cast<float>(top > 0 ? top : 1);
  const std::int32_t bottom = codes == SymmetricCodes::narrow ? -top : -top - 1;
  return {ruled(floored(step, kScaleFloor), rule), 0.0f, bottom, top};
}

// One code that stands for `value`: what 0 bits mean where they stand for a mean.
BITSWEEP_FORMULA AffineGrid constant_grid(float value) { return {1.0f, 0.0f, 0, 0, value}; }

// torch.ao.quantization observers, affine: zero is drawn into the range, the scale floored at
// 2^-23, the zero point clamped to a code.
BITSWEEP_FORMULA AffineGrid torch_affine_grid(float min, float max, std::int32_t qmin,
                                              std::int32_t qmax) {
  const float low = min < 0.0f ? min : 0.0f;
  const float high = max > 0.0f ? max : 0.0f;
  const float scale = floored((high - low) / static_cast<float>(qmax - qmin), kTorchScaleFloor);
  AffineGrid grid{scale, 0.0f, qmin, qmax};
  grid.zero_point = clamped_code(static_cast<float>(qmin) - rintf(low / scale), grid);
  return grid;
}

// torch.ao.quantization observers, symmetric: the scale spans half the codes. `zero_point` is 0 for
// signed codes, the middle code for unsigned ones.
BITSWEEP_FORMULA AffineGrid torch_symmetric_grid(float min, float max, std::int32_t qmin,
                                                 std::int32_t qmax, float zero_point) {
  const float low = min < 0.0f ? -min : 0.0f;
  const float high = max > 0.0f ? max : 0.0f;
  const float half_codes = static_cast<float>(qmax - qmin) / 2.0f;
  return {floored((low > high ? low : high) / half_codes, kTorchScaleFloor), zero_point, qmin,
          qmax};
}

// ONNX DynamicQuantizeLinear to uint8: zero is drawn into the range; no floor, and scale 0 for an
// all-zero tensor is the specification's own gap, which becomes the empty grid here.
BITSWEEP_FORMULA AffineGrid onnx_dynamic_grid(float min, float max) {
  const float low = min < 0.0f ? min : 0.0f;
  const float high = max > 0.0f ? max : 0.0f;
  AffineGrid grid{(high - low) / 255.0f, 0.0f, 0, 255};
  if (grid.scale > 0.0f) grid.zero_point = rintf(clamped_code(0.0f - low / grid.scale, grid));
  return grid;
}

// One step of a moving average, as torch writes it: rate is the weight of the new value.
BITSWEEP_FORMULA float moving_average(float average, float value, float rate) {
  return average + rate * (value - average);
}

}  // namespace bitsweep::kernels
