#include <algorithm>

#include "kernels/cuda_check.cuh"
#include "kernels/launch.cuh"
#include "kernels/min_max.h"

namespace bitsweep::kernels {
namespace {

// Atomic minimum and maximum of floats that are neither NaN nor −0 (smaller() and larger() see to
// both): as integers, positive floats order like themselves and negative ones in reverse. The
// result does not depend on the order of the blocks.
__device__ void atomic_smaller(float* target, float value) {
  if (value >= 0.0f)
    atomicMin(reinterpret_cast<int*>(target), __float_as_int(value));
  else
    atomicMax(reinterpret_cast<unsigned*>(target), __float_as_uint(value));
}

__device__ void atomic_larger(float* target, float value) {
  if (value >= 0.0f)
    atomicMax(reinterpret_cast<int*>(target), __float_as_int(value));
  else
    atomicMin(reinterpret_cast<unsigned*>(target), __float_as_uint(value));
}

__global__ void start_kernel(MinMax* out, std::int64_t channels) {
  for (std::int64_t i = first_index(); i < channels; i += stride()) out[i] = MinMax{};
}

// blockIdx.y strides over channels, blockIdx.x over the elements of one.
__global__ void min_max_kernel(const float* x, ChannelLayout layout, MinMax* out) {
  const std::int64_t per_channel = layout.outer * layout.inner;
  for (std::int64_t channel = blockIdx.y; channel < layout.channels; channel += gridDim.y) {
    MinMax extremes;
    for (std::int64_t i = first_index(); i < per_channel; i += stride()) {
      const std::int64_t outer = i / layout.inner;
      extremes = include(extremes,
                         x[(outer * layout.channels + channel) * layout.inner + i % layout.inner]);
    }
    for (int distance = 16; distance > 0; distance /= 2)
      extremes = merge(extremes, {__shfl_down_sync(0xffffffffu, extremes.min, distance),
                                  __shfl_down_sync(0xffffffffu, extremes.max, distance),
                                  __shfl_down_sync(0xffffffffu, extremes.has_nan, distance)});
    if (threadIdx.x % 32 == 0) {
      atomic_smaller(&out[channel].min, extremes.min);
      atomic_larger(&out[channel].max, extremes.max);
      atomicOr(&out[channel].has_nan, extremes.has_nan);
    }
  }
}

}  // namespace

void min_max_cuda(const float* x, const ChannelLayout& layout, MinMax* out, Stream stream) {
  if (layout.channels == 0) return;
  start_kernel<<<blocks_for(layout.channels), kThreads, 0, native(stream)>>>(out, layout.channels);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
  const std::int64_t per_channel = layout.outer * layout.inner;
  if (per_channel == 0) return;
  const auto rows = static_cast<unsigned>(std::min<std::int64_t>(layout.channels, 65535));
  min_max_kernel<<<dim3(std::min(blocks_for(per_channel), 256u), rows), kThreads, 0,
                   native(stream)>>>(x, layout, out);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

}  // namespace bitsweep::kernels
