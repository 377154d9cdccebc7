#include <algorithm>
#include <cstdint>

#include "kernels/cuda_check.cuh"
#include "kernels/launch.cuh"
#include "kernels/learned_scale.h"
#include "kernels/ordered_sum.cuh"

namespace bitsweep::kernels {
namespace {

__device__ std::int64_t start_of(const ChannelLayout& layout, std::int64_t outer,
                                 std::int64_t channel) {
  return (outer * layout.channels + channel) * layout.inner;
}

// As in learned_scale_cpu.cpp. All threads of a block get the sum.
template <class Slope>
__device__ double channel_sum(const float* x, const float* grad_y, const ChannelLayout& layout,
                              std::int64_t channel, double (&lanes)[kSumLanes], Slope slope) {
  double sum = 0.0;
  for (std::int64_t outer = 0; outer < layout.outer; ++outer) {
    const std::int64_t start = start_of(layout, outer, channel);
    sum += ordered_sum_by_block(layout.inner, lanes, [&](std::int64_t i) {
      return static_cast<double>(grad_y[start + i]) * slope(x[start + i]);
    });
  }
  return sum;
}

template <class Visit>
__device__ void for_each_of_channel(const ChannelLayout& layout, std::int64_t channel,
                                    Visit visit) {
  for (std::int64_t i = threadIdx.x; i < layout.outer * layout.inner; i += blockDim.x)
    visit(start_of(layout, i / layout.inner, channel) + i % layout.inner);
}

// A block of kSumLanes threads per channel, all kernels.
__global__ void __launch_bounds__(kSumLanes)
    backward_kernel(const float* x, const float* grad_y, float* grad_x, ChannelLayout layout,
                    const AffineGrid* grids, Rounding rounding, double factor, double* grad_scale,
                    double* grad_zero_point) {
  __shared__ double lanes[kSumLanes];
  for (std::int64_t channel = blockIdx.x; channel < layout.channels; channel += gridDim.x) {
    const AffineGrid grid = grids[channel];
    const double scale = channel_sum(x, grad_y, layout, channel, lanes,
                                     [&](float v) { return scale_slope(v, grid, rounding); });
    const double zero_point = grad_zero_point == nullptr
                                  ? 0.0
                                  : channel_sum(x, grad_y, layout, channel, lanes, [&](float v) {
                                      return zero_point_slope(v, grid, rounding);
                                    });
    if (threadIdx.x == 0) {
      grad_scale[channel] = factor * scale;
      if (grad_zero_point != nullptr) grad_zero_point[channel] = factor * zero_point;
    }
    for_each_of_channel(layout, channel, [&](std::int64_t i) {
      grad_x[i] = through_grid(grad_y[i], x[i], grid, rounding);
    });
  }
}

__device__ MaxAbs larger(const MaxAbs& a, const MaxAbs& b) {
  if (a.value != b.value) return a.value > b.value ? a : b;
  return a.at < b.at ? a : b;
}

__global__ void __launch_bounds__(kSumLanes)
    max_abs_kernel(const float* w, ChannelLayout layout, int bits, MaxAbs* max_abs,
                   AffineGrid* grids) {
  __shared__ MaxAbs lanes[kSumLanes];
  for (std::int64_t channel = blockIdx.x; channel < layout.channels; channel += gridDim.x) {
    MaxAbs largest{0.0f, start_of(layout, 0, channel)};
    for_each_of_channel(layout, channel, [&](std::int64_t i) {
      if (fabsf(w[i]) > largest.value) largest = {fabsf(w[i]), i};
    });
    __syncthreads();  // the previous channel has been read
    lanes[threadIdx.x] = largest;
    for (unsigned half = kSumLanes / 2; half > 0; half /= 2) {
      __syncthreads();
      if (threadIdx.x < half)
        lanes[threadIdx.x] = larger(lanes[threadIdx.x], lanes[threadIdx.x + half]);
    }
    if (threadIdx.x != 0) continue;
    max_abs[channel] = lanes[0];
    grids[channel] = max_abs_grid(lanes[0], bits);
  }
}

__global__ void __launch_bounds__(kSumLanes)
    max_abs_backward_kernel(const float* w, const float* grad_y, float* grad_w,
                            ChannelLayout layout, const MaxAbs* max_abs, const AffineGrid* grids) {
  __shared__ double lanes[kSumLanes];
  for (std::int64_t channel = blockIdx.x; channel < layout.channels; channel += gridDim.x) {
    const AffineGrid grid = grids[channel];
    const std::int64_t at = max_abs[channel].at;
    const double grad_scale = channel_sum(w, grad_y, layout, channel, lanes, [&](float v) {
      return scale_slope(v, grid, Rounding{});
    });
    // The thread that comes to the maximum adds the scale's part, in place or not.
    for_each_of_channel(layout, channel, [&](std::int64_t i) {
      const float through = through_grid(grad_y[i], w[i], grid, Rounding{});
      grad_w[i] = i == at ? static_cast<float>(static_cast<double>(through) +
                                               max_abs_gradient(grad_scale, w[i], grid))
                          : through;
    });
  }
}

unsigned block_per_channel(const ChannelLayout& layout) {
  return static_cast<unsigned>(std::min(layout.channels, kMaxBlocks));
}

}  // namespace

void learned_scale_backward_cuda(const float* x, const float* grad_y, float* grad_x,
                                 const ChannelLayout& layout, const AffineGrid* grids,
                                 Rounding rounding, double factor, double* grad_scale,
                                 double* grad_zero_point, Stream stream) {
  if (layout.channels == 0) return;
  backward_kernel<<<block_per_channel(layout), kSumLanes, 0, native(stream)>>>(
      x, grad_y, grad_x, layout, grids, rounding, factor, grad_scale, grad_zero_point);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

void max_abs_grids_cuda(const float* w, const ChannelLayout& layout, int bits, MaxAbs* max_abs,
                        AffineGrid* grids, Stream stream) {
  check_max_abs_bits(bits);
  if (layout.channels == 0) return;
  max_abs_kernel<<<block_per_channel(layout), kSumLanes, 0, native(stream)>>>(w, layout, bits,
                                                                              max_abs, grids);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

void max_abs_backward_cuda(const float* w, const float* grad_y, float* grad_w,
                           const ChannelLayout& layout, const MaxAbs* max_abs,
                           const AffineGrid* grids, Stream stream) {
  if (layout.size() == 0) return;
  max_abs_backward_kernel<<<block_per_channel(layout), kSumLanes, 0, native(stream)>>>(
      w, grad_y, grad_w, layout, max_abs, grids);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

}  // namespace bitsweep::kernels
