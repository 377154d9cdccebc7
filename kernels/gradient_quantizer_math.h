// DoReFa's quantizer of gradients (Zhou 2016, eq. 12): the only place where its formula stands.
//   g_q = 2m · (Q_b(g / 2m + 1/2 + N / n) − 1/2),  Q_b(u) = round(n·u) / n,  n = 2^b − 1,
// with m = max|g| of the sample and noise N uniform in [−1/2, 1/2). Ties to even. In float64, one
// rounding to float32 at the end.
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/formula.h"
#include "kernels/min_max_math.h"
#include "kernels/philox_math.h"

namespace bitsweep::kernels {

struct GradientQuantizer {
  int bits = 8;  // 1–16
  // As published, the noise can take the code of a gradient of size m to −1 or 2^b. Clipping keeps
  // it within 0 … 2^b − 1.
  bool clips = true;
};

// Noise of element `index`: a multiple of 2^-24.
BITSWEEP_FORMULA float gradient_noise(const RandomStream& random, std::uint64_t index) {
  return uniform01(random_bits(random, index)) - 0.5f;
}

// A sample that is all zero stays zero. NaN stays NaN.
BITSWEEP_FORMULA float quantized_gradient(float g, float noise, const MinMax& sample,
                                          const GradientQuantizer& q) {
  const double steps = static_cast<double>((std::int64_t{1} << q.bits) - 1);
  const double low = -static_cast<double>(sample.min), high = static_cast<double>(sample.max);
  const double length = 2.0 * (low > high ? low : high);
  const double unit = static_cast<double>(g) / (length > 0.0 ? length : 1.0) + 0.5;
  double code = rint(unit * steps + static_cast<double>(noise));
  const double bottom = q.clips ? 0.0 : -1.0, top = q.clips ? steps : steps + 1.0;
  code = code < bottom ? bottom : code;  // in this order NaN stays NaN
  code = code > top ? top : code;
  return static_cast<float>(length * (code / steps - 0.5));
}

}  // namespace bitsweep::kernels
