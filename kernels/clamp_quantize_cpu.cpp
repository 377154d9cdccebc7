// The loops of clamp_quantize.h, compiled once per instruction set (BITSWEEP_VARIANT).
#include "kernels/cpu_loops.h"
#include "kernels/ordered_sum.h"

namespace bitsweep::kernels::BITSWEEP_VARIANT {

void clamp_quantize(const float* x, float* y, std::int32_t* codes, std::int64_t n,
                    const ClampGrid& asked) {
  const ClampGrid grid = asked;
  if (codes != nullptr)
    for (std::int64_t i = 0; i < n; ++i) {
      const float code = clamp_code(x[i], grid);
      codes[i] = static_cast<std::int32_t>(code == code ? code : 0.0f);
    }
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) y[i] = kernels::clamp_quantize(x[i], grid);
}

void clamp_quantize_backward(const float* x, const float* grad_y, float* grad_x, std::int64_t n,
                             const ClampGrid& asked, double* grad_alpha) {
  const ClampGrid grid = asked;
  *grad_alpha = ordered_sum(n, [&](std::int64_t i) {
    return static_cast<double>(grad_y[i]) * static_cast<double>(clamp_alpha_slope(x[i], grid));
  });
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) grad_x[i] = grad_y[i] * clamp_slope(x[i], grid);
}

}  // namespace bitsweep::kernels::BITSWEEP_VARIANT
