#include "kernels/cuda_check.cuh"
#include "kernels/launch.cuh"
#include "kernels/optimizer.h"

namespace bitsweep::kernels {
namespace {

__global__ void sgd_kernel(float* parameters, float* momenta, const float* gradients,
                           std::int64_t n, SgdOptions options, const float* lr) {
  const float rate = *lr;
  for (std::int64_t i = first_index(); i < n; i += stride()) {
    const SgdElement next = sgd_step(parameters[i], momenta[i], gradients[i], options, rate);
    parameters[i] = next.parameter;
    momenta[i] = next.momentum;
  }
}

__global__ void adam_kernel(float* parameters, float* first_moments, float* second_moments,
                            const float* gradients, std::int64_t n, AdamOptions options,
                            const float* lr, const std::int64_t* step) {
  const AdamStep common = adam_step_of(options, *lr, *step);
  for (std::int64_t i = first_index(); i < n; i += stride()) {
    const AdamElement next =
        adam_step(parameters[i], first_moments[i], second_moments[i], gradients[i], common);
    parameters[i] = next.parameter;
    first_moments[i] = next.first_moment;
    second_moments[i] = next.second_moment;
  }
}

}  // namespace

void sgd_step_cuda(float* parameters, float* momenta, const float* gradients, std::int64_t n,
                   const SgdOptions& options, const float* lr, Stream stream) {
  if (n == 0) return;
  sgd_kernel<<<blocks_for(n), kThreads, 0, native(stream)>>>(parameters, momenta, gradients, n,
                                                             options, lr);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

void adam_step_cuda(float* parameters, float* first_moments, float* second_moments,
                    const float* gradients, std::int64_t n, const AdamOptions& options,
                    const float* lr, const std::int64_t* step, Stream stream) {
  if (n == 0) return;
  adam_kernel<<<blocks_for(n), kThreads, 0, native(stream)>>>(
      parameters, first_moments, second_moments, gradients, n, options, lr, step);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

}  // namespace bitsweep::kernels
