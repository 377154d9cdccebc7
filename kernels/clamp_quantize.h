// The clamp quantizers of activations by themselves, and the penalty on their α (docs/numerics.md,
// "Clamp quantizers"; the formulas: clamp_quantize_math.h). In a network they are part of the layer
// before them (fused_layer.h).
#pragma once

#include <cstdint>

#include "kernels/clamp_quantize_math.h"

namespace bitsweep::kernels {

// On the calling thread; the same bits for every instruction set. The kind `none` copies, and has
// no codes. Throw std::invalid_argument unless bits are 1–16 (mPACT: 2–16) and, where α is learned,
// α is not 0.

// y[i] = quantizer(x[i]); codes[i]: the whole number that y[i] stands for, 0 for NaN (nullptr: not
// wanted). x, y: [n], the same array or no overlap. α is read by the quantizers that learn.
void clamp_quantize_cpu(const float* x, float* y, std::int32_t* codes, std::int64_t n,
                        const ClampQuantizer& quantizer, float alpha);

// grad_x[i] = dL/dx[i], *grad_alpha = dL/dα (0 where α is not learned), given grad_y = dL/dy.
// grad_x may be the same array as grad_y, not overlap otherwise. The sum is float64 in the order of
// ordered_sum.h.
void clamp_quantize_backward_cpu(const float* x, const float* grad_y, float* grad_x, std::int64_t n,
                                 const ClampQuantizer& quantizer, float alpha, double* grad_alpha);

// The penalty λ·Σ α² that keeps learned clips from growing (facts A.4.3) and its gradient 2λα,
// added to grad_alpha: [n]; nullptr: not wanted.
double alpha_penalty(const float* alpha, std::int64_t n, double lambda, double* grad_alpha);

}  // namespace bitsweep::kernels
