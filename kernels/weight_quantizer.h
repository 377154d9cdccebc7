// Quantized weights of one layer and their gradient (docs/numerics.md, "Weights normalised by
// tanh"; the formulas: weight_quantizer_math.h).
#pragma once

#include <cstdint>

#include "kernels/stream.h"
#include "kernels/weight_quantizer_math.h"

namespace bitsweep::kernels {

// Throws std::invalid_argument unless bits are 1–16. All functions below begin with it.
void check(const WeightQuantizer& quantizer);

// ---- CPU. On the calling thread; the same bits for every instruction set and on the GPU. ----

// w, w_q: [n] float32; tanh_w: [n] float64, kept for the functions below. No two may overlap.
// state: of this tensor, likewise kept.
// NaN in w becomes NaN in w_q and does not count in the maximum; at 1 bit all of w_q becomes NaN.
void quantize_weights_cpu(const float* w, float* w_q, double* tanh_w, std::int64_t n,
                          const WeightQuantizer& quantizer, WeightQuantizerState* state);

// grad_w[i] = dL/dw[i], given grad_q[i] = dL/dw_q[i]. tanh_w and state: what quantize_weights left
// for w. grad_w and grad_q may be the same array, not overlap otherwise. A tensor whose largest
// weight is tiny has gradients as large as 1 / that, which may be infinite. w itself is not read by
// the quantizers there are.
void quantize_weights_backward_cpu(const float* w, const double* tanh_w, const float* grad_q,
                                   float* grad_w, std::int64_t n, const WeightQuantizer& quantizer,
                                   const WeightQuantizerState& state);

// codes[i]: −n … n with n = 2^(b−1) − 1 (tanh_symmetric; 1 bit: −1 or 1); 0 … 2^b − 1 (dorefa).
// NaN gets code 0; refuse it earlier where it matters.
void weight_codes_cpu(const double* tanh_w, std::int32_t* codes, std::int64_t n,
                      const WeightQuantizer& quantizer, const WeightQuantizerState& state);

// ---- CUDA. As above; every array and the state in memory of the stream's device (the null stream:
// the current device). Return when the work is queued. Throw CudaError (kernels/error.h), also in a
// build without CUDA. ----

void quantize_weights_cuda(const float* w, float* w_q, double* tanh_w, std::int64_t n,
                           const WeightQuantizer& quantizer, WeightQuantizerState* state,
                           Stream stream);

void quantize_weights_backward_cuda(const float* w, const double* tanh_w, const float* grad_q,
                                    float* grad_w, std::int64_t n, const WeightQuantizer& quantizer,
                                    const WeightQuantizerState* state, Stream stream);

void weight_codes_cuda(const double* tanh_w, std::int32_t* codes, std::int64_t n,
                       const WeightQuantizer& quantizer, const WeightQuantizerState* state,
                       Stream stream);

}  // namespace bitsweep::kernels
