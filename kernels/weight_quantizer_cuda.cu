#include <cstdint>

#include "kernels/cuda_check.cuh"
#include "kernels/launch.cuh"
#include "kernels/ordered_sum.cuh"
#include "kernels/tanh_math.h"
#include "kernels/weight_quantizer.h"

namespace bitsweep::kernels {
namespace {

__global__ void start_kernel(WeightQuantizerState* state, std::int64_t n) {
  *state = WeightQuantizerState{0.0, n > 0 ? n - 1 : 0, 0.0};
}

// Sizes are never negative, so that they order like the integers of their bits, and the maximum
// does not depend on the order of the blocks.
__global__ void tanh_kernel(const float* w, double* tanh_w, std::int64_t n,
                            WeightQuantizerState* state) {
  double largest = 0.0;
  for (std::int64_t i = first_index(); i < n; i += stride()) {
    const double value = tanh_formula(static_cast<double>(w[i]));
    tanh_w[i] = value;
    largest = fabs(value) > largest ? fabs(value) : largest;
  }
  for (int distance = 16; distance > 0; distance /= 2) {
    const double other = __shfl_down_sync(0xffffffffu, largest, distance);
    largest = other > largest ? other : largest;
  }
  if (threadIdx.x % 32 == 0)
    atomicMax(reinterpret_cast<unsigned long long*>(&state->max_tanh),
              static_cast<unsigned long long>(__double_as_longlong(largest)));
}

__global__ void argmax_kernel(const double* tanh_w, std::int64_t n, WeightQuantizerState* state) {
  const bool any = state->max_tanh > 0.0;
  for (std::int64_t i = first_index(); i < n; i += stride())
    if (!any || fabs(tanh_w[i]) == state->max_tanh)
      atomicMin(reinterpret_cast<unsigned long long*>(&state->argmax),
                any ? static_cast<unsigned long long>(i) : 0ull);
}

__global__ void __launch_bounds__(kSumLanes)
    mean_abs_kernel(const float* w, std::int64_t n, WeightQuantizerState* state) {
  __shared__ double lanes[kSumLanes];
  const double sum = ordered_sum_by_block(
      n, lanes, [=](std::int64_t i) { return fabs(static_cast<double>(w[i])); });
  if (threadIdx.x == 0) state->mean_abs = sum / static_cast<double>(n);
}

__global__ void quantize_kernel(const double* tanh_w, float* w_q, std::int64_t n,
                                WeightQuantizer quantizer, const WeightQuantizerState* state) {
  const WeightRounding rounding = weight_rounding(quantizer);
  const double divisor = weight_divisor(*state), steps = weight_steps(quantizer);
  for (std::int64_t i = first_index(); i < n; i += stride())
    w_q[i] = weight_of_code(weight_code(tanh_w[i], divisor, steps, rounding), steps,
                            state->mean_abs, rounding);
}

__global__ void codes_kernel(const double* tanh_w, std::int32_t* codes, std::int64_t n,
                             WeightQuantizer quantizer, const WeightQuantizerState* state) {
  const WeightRounding rounding = weight_rounding(quantizer);
  const double divisor = weight_divisor(*state), steps = weight_steps(quantizer);
  for (std::int64_t i = first_index(); i < n; i += stride())
    codes[i] = weight_code_number(weight_code(tanh_w[i], divisor, steps, rounding), quantizer);
}

// The maximum's gradient needs all others' and may overwrite its own: first, by one block.
__global__ void __launch_bounds__(kSumLanes)
    maximum_backward_kernel(const double* tanh_w, const float* grad_q, float* grad_w,
                            std::int64_t n, const WeightQuantizerState* state) {
  __shared__ double lanes[kSumLanes];
  const double sum = ordered_sum_by_block(
      n, lanes, [=](std::int64_t i) { return static_cast<double>(grad_q[i]) * tanh_w[i]; });
  if (threadIdx.x != 0) return;
  const std::int64_t at = state->argmax;
  grad_w[at] = static_cast<float>(weight_gradient_of_maximum(
      static_cast<double>(grad_q[at]), tanh_w[at], 1.0 / weight_divisor(*state), sum));
}

__global__ void backward_kernel(const double* tanh_w, const float* grad_q, float* grad_w,
                                std::int64_t n, const WeightQuantizerState* state) {
  const double inverse = 1.0 / weight_divisor(*state);
  const std::int64_t done = state->argmax;
  for (std::int64_t i = first_index(); i < n; i += stride())
    if (i != done)
      grad_w[i] =
          static_cast<float>(weight_gradient(static_cast<double>(grad_q[i]), tanh_w[i], inverse));
}

}  // namespace

void quantize_weights_cuda(const float* w, float* w_q, double* tanh_w, std::int64_t n,
                           const WeightQuantizer& quantizer, WeightQuantizerState* state,
                           Stream stream) {
  check(quantizer);
  start_kernel<<<1, 1, 0, native(stream)>>>(state, n);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
  if (n == 0) return;
  const unsigned blocks = blocks_for(n);
  tanh_kernel<<<blocks, kThreads, 0, native(stream)>>>(w, tanh_w, n, state);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
  argmax_kernel<<<blocks, kThreads, 0, native(stream)>>>(tanh_w, n, state);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
  if (weight_rounding(quantizer) == WeightRounding::binary) {
    mean_abs_kernel<<<1, kSumLanes, 0, native(stream)>>>(w, n, state);
    BITSWEEP_CUDA_CHECK(cudaGetLastError());
  }
  quantize_kernel<<<blocks, kThreads, 0, native(stream)>>>(tanh_w, w_q, n, quantizer, state);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

void quantize_weights_backward_cuda(const float*, const double* tanh_w, const float* grad_q,
                                    float* grad_w, std::int64_t n, const WeightQuantizer& quantizer,
                                    const WeightQuantizerState* state, Stream stream) {
  check(quantizer);
  if (n == 0) return;
  if (weight_rounding(quantizer) == WeightRounding::binary) {
    if (grad_w == grad_q) return;
    BITSWEEP_CUDA_CHECK(cudaMemcpyAsync(grad_w, grad_q, static_cast<std::size_t>(n) * sizeof(float),
                                        cudaMemcpyDeviceToDevice, native(stream)));
    return;
  }
  maximum_backward_kernel<<<1, kSumLanes, 0, native(stream)>>>(tanh_w, grad_q, grad_w, n, state);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
  backward_kernel<<<blocks_for(n), kThreads, 0, native(stream)>>>(tanh_w, grad_q, grad_w, n, state);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

void weight_codes_cuda(const double* tanh_w, std::int32_t* codes, std::int64_t n,
                       const WeightQuantizer& quantizer, const WeightQuantizerState* state,
                       Stream stream) {
  check(quantizer);
  if (n == 0) return;
  codes_kernel<<<blocks_for(n), kThreads, 0, native(stream)>>>(tanh_w, codes, n, quantizer, state);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

}  // namespace bitsweep::kernels
