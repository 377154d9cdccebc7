// tanh in float64, by a formula that compilers vectorise and that every device evaluates to the
// same bits: no library call (glibc's costs 30 ns, and two libraries differ in the last place), no
// branch, no table. For weight quantizers, which call it for every weight at every training step.
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/formula.h"

namespace bitsweep::kernels {

// e^t − 1 for t = k·ln 2 + r: value = scale · (numerator / denominator) + (scale − 1) with
// scale = 2^k. Kept apart, so that a caller may do with one division.
struct ExpMinusOne {
  double scale;
  double numerator;
  double denominator;  // > 0
};

// t in [−700, 700] or NaN, which comes out in the numerator.
BITSWEEP_FORMULA ExpMinusOne exp_minus_one(double t) {
  // Adding 1.5·2^52 rounds to a whole number and leaves it in the low bits of the sum. With 1023
  // added as well these are the exponent field of 2^k.
  constexpr double kToWhole = 0x1.8p52 + 1023.0;
  constexpr double kLn2High = 0x1.62e42fefa3800p-1;  // 42 bits: times k it is exact
  constexpr double kLn2Low = 0x1.ef35793c76730p-45;
  const double biased = t * 0x1.71547652b82fep+0 + kToWhole;  // t / ln 2
  const double k = biased - kToWhole;
  const double scale = __builtin_bit_cast(double, __builtin_bit_cast(std::uint64_t, biased) << 52);
  const double r = (t - k * kLn2High) - k * kLn2Low;  // |r| <= 0.347
  // The [6/6] Padé approximant e^r = (even + odd) / (even − odd); off by 2e-19.
  const double z = r * r;
  const double odd = r * (332640.0 + z * (10080.0 + z * 42.0));
  const double even = 665280.0 + z * (75600.0 + z * (840.0 + z));
  return {scale, odd + odd, even - odd};
}

// tanh(x) = −u / (2 + u), u = e^(−2|x|) − 1. Relative error below 1e-15; odd, within [−1, 1],
// exactly ±1 from |x| = 22; ±0 and NaN stay what they are.
BITSWEEP_FORMULA double tanh_formula(double x) {
  const double size = fabs(x);
  const ExpMinusOne e = exp_minus_one(-2.0 * (size > 22.0 ? 22.0 : size));
  const double u = e.scale * e.numerator + (e.scale - 1.0) * e.denominator;  // times denominator
  return copysign(u / (2.0 * e.denominator + u), x);
}

}  // namespace bitsweep::kernels
