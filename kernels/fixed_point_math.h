// Whole-number arithmetic of integer inference: the only place where its formulas stand (document
// 002, facts A.9; docs/numerics.md, "Fixed point"). Products and their sums are int64.
//   ap_fixed<B, I>   a real number as a whole number of steps 2^−F, F = B − I, in signed B bits
//   requantization   y = clip(round((acc·G + (other·R + H)·2^E) / 2^F), low, high)
//   pooling          y = clip(⌊trunc(sum / n)·R / 2^F⌋, low, high), or the requantization of sum
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/formula.h"

namespace bitsweep::kernels {

// ap_fixed<bits, integer_bits>: the sign is one of the integer bits.
struct FixedPoint {
  int bits = 32;          // 2–32
  int integer_bits = 16;  // 1–bits
  int fraction_bits() const { return bits - integer_bits; }
  friend bool operator==(const FixedPoint&, const FixedPoint&) = default;
};

// What happens to a number beyond the format.
enum class FixedSaturation : std::uint8_t {
  value,         // it becomes the nearest number that the format has
  integer_part,  // document 002's code: the nearest whole number saturates, the signed rest is
                 // added
};

// How a sum of products loses its fraction.
enum class FixedRounding : std::uint8_t {
  truncate,  // towards zero (document 002)
  nearest,   // ties to even
};

BITSWEEP_FORMULA double clamp_to(double v, double low, double high) {
  v = v < low ? low : v;
  return v > high ? high : v;
}

// `v` in steps of the format, nearest with ties to even. NaN is 0. With
// FixedSaturation::integer_part 511.7 in <24, 10> is 511 + (511.7 − 512) = 510.7; what then exceeds
// int32 saturates.
BITSWEEP_FORMULA std::int32_t fixed_of(double v, FixedPoint format, FixedSaturation saturation) {
  if (!(v == v)) return 0;
  const double steps = static_cast<double>(std::int64_t{1} << format.fraction_bits());
  const double limit = static_cast<double>(std::int64_t{1} << (format.bits - 1));
  if (saturation == FixedSaturation::value) {
    return static_cast<std::int32_t>(clamp_to(rint(v * steps), -limit, limit - 1.0));
  }
  const double whole_limit = static_cast<double>(std::int64_t{1} << (format.integer_bits - 1));
  const double whole = rint(v);
  const double rest = v - whole == v - whole ? v - whole : 0.0;  // of an infinity
  const double fixed =
      clamp_to(whole, -whole_limit, whole_limit - 1.0) * steps + rint(rest * steps);
  return static_cast<std::int32_t>(clamp_to(fixed, -0x1p31, 0x1p31 - 1.0));
}

// v / 2^shift, rounded; shift 0–62, and |v| + 2^shift < 2^63.
BITSWEEP_FORMULA std::int64_t shifted(std::int64_t v, int shift, FixedRounding rounding) {
  const std::int64_t last = (std::int64_t{1} << shift) - 1;  // all that is lost
  // Towards zero: a negative number first goes up by all but one step.
  const std::int64_t up = (v >> 63) & last;
  // To the nearest: up by half a step, less one unless the code below is odd.
  const std::int64_t half = (last >> 1) + ((v >> shift) & (last & 1));
  return (v + (rounding == FixedRounding::truncate ? up : half)) >> shift;
}

BITSWEEP_FORMULA std::int32_t clipped(std::int64_t v, std::int32_t low, std::int32_t high) {
  v = v > low ? v : low;
  v = v < high ? v : high;
  return static_cast<std::int32_t>(v);
}

// What requantization does beside its multipliers.
struct Requantizer {
  int fraction_bits = 16;
  FixedRounding rounding = FixedRounding::truncate;
  std::int32_t low = 0;
  std::int32_t high = 0;
};

// `sum`: acc·G + (other·R + H)·2^E.
BITSWEEP_FORMULA std::int32_t requantized(std::int64_t sum, const Requantizer& q) {
  return clipped(shifted(sum, q.fraction_bits, q.rounding), q.low, q.high);
}

// The mean of `window` codes with this sum, as document 002 computes it: a whole mean first, and
// its multiple rounded down.
BITSWEEP_FORMULA std::int32_t pooled_in_two_steps(std::int64_t sum, std::int64_t window,
                                                  std::int32_t multiplier, const Requantizer& q) {
  return clipped(((sum / window) * multiplier) >> q.fraction_bits, q.low, q.high);
}

// The code of a real input value: nearest, ties to even, saturating; NaN is 0.
BITSWEEP_FORMULA std::int32_t input_code(float x, double scale, std::int32_t low,
                                         std::int32_t high) {
  const double code = rint(static_cast<double>(x) * scale);
  if (!(code == code)) return 0;
  return static_cast<std::int32_t>(
      clamp_to(code, static_cast<double>(low), static_cast<double>(high)));
}

// A logit: the accumulator over its scale (the input's times the weight's), and a real bias.
BITSWEEP_FORMULA float logit_of(std::int64_t accumulator, double scale, float bias) {
  return static_cast<float>(static_cast<double>(accumulator) / scale) + bias;
}

}  // namespace bitsweep::kernels
