#include <algorithm>

#include "kernels/cuda_check.cuh"
#include "kernels/histogram.h"
#include "kernels/launch.cuh"

namespace bitsweep::kernels {
namespace {

// blockIdx.y strides over channels, blockIdx.x over the elements of one. Every block of threads
// counts in shared memory first; integers, so that the order of the blocks does not show.
__global__ void histogram_kernel(const float* x, ChannelLayout layout, const HistogramBins* bins,
                                 std::int64_t stride, std::uint32_t* counts) {
  __shared__ std::uint32_t shared[kHistogramBins];
  const std::int64_t per_channel = layout.outer * layout.inner;
  const std::int64_t row_blocks = (layout.inner + kHistogramBlock - 1) / kHistogramBlock;
  for (std::int64_t channel = blockIdx.y; channel < layout.channels; channel += gridDim.y) {
    for (int i = threadIdx.x; i < kHistogramBins; i += blockDim.x) shared[i] = 0;
    __syncthreads();
    for (std::int64_t i = first_index(); i < per_channel; i += kernels::stride()) {
      const std::int64_t outer = i / layout.inner, inner = i % layout.inner;
      if ((outer * row_blocks + inner / kHistogramBlock) % stride != 0) continue;
      const float value = x[(outer * layout.channels + channel) * layout.inner + inner];
      atomicAdd(&shared[bin_of(value, bins[channel])], 1u);
    }
    __syncthreads();
    for (int i = threadIdx.x; i < kHistogramBins; i += blockDim.x)
      if (shared[i] != 0) atomicAdd(&counts[channel * kHistogramBins + i], shared[i]);
    __syncthreads();
  }
}

}  // namespace

void histogram_cuda(const float* x, const ChannelLayout& layout, const HistogramBins* bins,
                    std::int64_t stride, std::uint32_t* counts, Stream stream) {
  const std::int64_t per_channel = layout.outer * layout.inner;
  if (layout.channels == 0 || per_channel == 0) return;
  const auto rows = static_cast<unsigned>(std::min<std::int64_t>(layout.channels, 65535));
  histogram_kernel<<<dim3(std::min(blocks_for(per_channel), 64u), rows), kThreads, 0,
                     native(stream)>>>(x, layout, bins, stride, counts);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

}  // namespace bitsweep::kernels
