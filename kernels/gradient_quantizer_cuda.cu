#include "kernels/cuda_check.cuh"
#include "kernels/gradient_quantizer.h"
#include "kernels/launch.cuh"

namespace bitsweep::kernels {
namespace {

__global__ void quantize_gradients_kernel(const float* g, float* g_q, RandomStream random,
                                          ChannelLayout layout, const MinMax* extremes,
                                          GradientQuantizer quantizer, std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += stride())
    g_q[i] = quantized_gradient(g[i], gradient_noise(random, static_cast<std::uint64_t>(i)),
                                extremes[i / layout.inner % layout.channels], quantizer);
}

}  // namespace

void quantize_gradients_cuda(const float* g, float* g_q, const RandomStream& random,
                             const ChannelLayout& layout, const MinMax* extremes,
                             const GradientQuantizer& quantizer, Stream stream) {
  check(quantizer);
  const std::int64_t n = layout.size();
  if (n == 0) return;
  quantize_gradients_kernel<<<blocks_for(n), kThreads, 0, native(stream)>>>(g, g_q, random, layout,
                                                                            extremes, quantizer, n);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

}  // namespace bitsweep::kernels
