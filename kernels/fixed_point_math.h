// Fixed-point numbers (document 002, facts A.9): ap_fixed<B, I> holds a real number as a whole
// number of steps 2^−F, F = B − I, in signed B bits.
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

BITSWEEP_FORMULA double clamp_to(double v, double low, double high) {
  v = v < low ? low : v;
  return v > high ? high : v;
}

// `v` in steps of the format, nearest with ties to even; beyond the format the nearest number that
// it has. NaN is 0.
BITSWEEP_FORMULA std::int32_t fixed_of(double v, FixedPoint format) {
  if (!(v == v)) return 0;
  const double steps = static_cast<double>(std::int64_t{1} << format.fraction_bits());
  const double limit = static_cast<double>(std::int64_t{1} << (format.bits - 1));
  return static_cast<std::int32_t>(clamp_to(rint(v * steps), -limit, limit - 1.0));
}

}  // namespace bitsweep::kernels
