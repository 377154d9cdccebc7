// Weight quantizers that normalise by tanh: the only place where their formulas stand
// (docs/numerics.md, "Weights normalised by tanh").
//   tanh_symmetric  v = tanh(w) / max|tanh(w)|,  w_q = round(v·n) / n,  n = 2^(b−1) − 1
//                   (document 002, facts A.4.1); at 2 bits w_q = sign(v)
//   dorefa          w_q = 2·Q_b(v/2 + 1/2) − 1,  Q_b(u) = round((2^b − 1)·u) / (2^b − 1)
//                   (Zhou 2016, eqs. 5 and 9)
// Both at 1 bit: w_q = sign(w) · mean|w| (Zhou 2016, eq. 8), because n would be 0. The sign of 0 is
// +1 there, so that there are two levels. Gradients are straight through the rounding, so that both
// have those of v; at 1 bit the whole is straight through: dL/dw = dL/dw_q.
// All in float64, one rounding to float32 at the end.
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/formula.h"

namespace bitsweep::kernels {

enum class WeightQuantizerKind : std::uint8_t { tanh_symmetric, dorefa };

struct WeightQuantizer {
  WeightQuantizerKind kind = WeightQuantizerKind::tanh_symmetric;
  int bits = 8;  // 1–16
};

// What forward knows about a tensor and backward needs.
struct WeightQuantizerState {
  double max_tanh = 0.0;    // max |tanh(w)| of those that are not NaN; 0 for none
  std::int64_t argmax = 0;  // the first element that has it
  double mean_abs = 0.0;    // mean |w|; 1 bit only, else 0
};

// How a quantizer turns v into a code.
enum class WeightRounding : std::uint8_t { symmetric, ternary, binary, unit };

BITSWEEP_FORMULA WeightRounding weight_rounding(const WeightQuantizer& q) {
  if (q.bits == 1) return WeightRounding::binary;
  if (q.kind == WeightQuantizerKind::dorefa) return WeightRounding::unit;
  return q.bits == 2 ? WeightRounding::ternary : WeightRounding::symmetric;
}

// n of the formulas above; 1 for a binary quantizer.
BITSWEEP_FORMULA double weight_steps(const WeightQuantizer& q) {
  const int bits = weight_rounding(q) == WeightRounding::symmetric ? q.bits - 1 : q.bits;
  return weight_rounding(q) == WeightRounding::ternary
             ? 1.0
             : static_cast<double>((std::int64_t{1} << bits) - 1);
}

// What v is tanh(w) divided by. An all-zero tensor is all zero divided by anything.
BITSWEEP_FORMULA double weight_divisor(const WeightQuantizerState& state) {
  return state.max_tanh > 0.0 ? state.max_tanh : 1.0;
}

// The code of a weight as a whole number, never −0: −n … n (symmetric, ternary), −1 or 1 (binary),
// 0 … 2^b − 1 (unit). `tanh_w` has the sign of w. NaN stays NaN.
BITSWEEP_FORMULA double weight_code(double tanh_w, double divisor, double steps,
                                    WeightRounding rounding) {
  switch (rounding) {
    case WeightRounding::symmetric:
      return rint(tanh_w / divisor * steps) + 0.0;
    case WeightRounding::ternary:
      return tanh_w > 0.0 ? 1.0 : (tanh_w < 0.0 ? -1.0 : tanh_w + 0.0);
    case WeightRounding::binary:
      return tanh_w >= 0.0 ? 1.0 : (tanh_w < 0.0 ? -1.0 : tanh_w);
    case WeightRounding::unit:
      return rint((tanh_w / (2.0 * divisor) + 0.5) * steps);
  }
  return 0.0;
}

// The integer to write for a code: −1 and 1 of a binary DoReFa quantizer are 0 and 1, as its codes
// count from 0. NaN is 0.
BITSWEEP_FORMULA std::int32_t weight_code_number(double code, const WeightQuantizer& q) {
  const bool binary_dorefa = q.bits == 1 && q.kind == WeightQuantizerKind::dorefa;
  const double number = binary_dorefa ? (code + 1.0) * 0.5 : code;
  return static_cast<std::int32_t>(number == number ? number : 0.0);
}

// The code that weight_code_number() wrote.
BITSWEEP_FORMULA double weight_code_of_number(std::int32_t number, const WeightQuantizer& q) {
  const bool binary_dorefa = q.bits == 1 && q.kind == WeightQuantizerKind::dorefa;
  return binary_dorefa ? 2.0 * number - 1.0 : static_cast<double>(number);
}

// The number that a code stands for.
BITSWEEP_FORMULA float weight_of_code(double code, double steps, double mean_abs,
                                      WeightRounding rounding) {
  switch (rounding) {
    case WeightRounding::symmetric:
    case WeightRounding::ternary:
      return static_cast<float>(code) / static_cast<float>(steps);
    case WeightRounding::binary:
      return static_cast<float>(code * mean_abs);
    case WeightRounding::unit:  // 2·code/n − 1 without its rounding errors
      return static_cast<float>(2.0 * code - steps) / static_cast<float>(steps);
  }
  return 0.0f;
}

// dL/dw of an element that is not the maximum: dv/dw = (1 − tanh²(w)) / divisor.
BITSWEEP_FORMULA double weight_gradient(double grad_q, double tanh_w, double inverse_divisor) {
  return grad_q * inverse_divisor * (1.0 - tanh_w * tanh_w);
}

// dL/dw of the maximum, which is also the divisor of all. `sum` = Σ grad_q · tanh(w).
BITSWEEP_FORMULA double weight_gradient_of_maximum(double grad_q, double tanh_w,
                                                   double inverse_divisor, double sum) {
  const double towards_divisor = sum * inverse_divisor * copysign(1.0, tanh_w);
  return weight_gradient(grad_q - towards_divisor, tanh_w, inverse_divisor);
}

}  // namespace bitsweep::kernels
