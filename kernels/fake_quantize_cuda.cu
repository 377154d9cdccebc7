#include "kernels/cuda_check.cuh"
#include "kernels/fake_quantize.h"
#include "kernels/launch.cuh"

namespace bitsweep::kernels {
namespace {

// Where a kernel finds the grid of element i.
struct OneGrid {
  AffineGrid grid;
  __device__ const AffineGrid& operator()(std::int64_t) const { return grid; }
};

struct GridPerChannel {
  const AffineGrid* grids;  // [channels], device memory
  std::int64_t channels;
  std::int64_t inner;
  __device__ const AffineGrid& operator()(std::int64_t i) const {
    return grids[i / inner % channels];
  }
};

// How an element becomes a code.
struct Nearest {
  Rounding rounding;
  __device__ float operator()(float x, const AffineGrid& grid, std::int64_t) const {
    return unclamped_code(x, grid, rounding);
  }
};

struct Stochastic {
  RandomStream random;
  __device__ float operator()(float x, const AffineGrid& grid, std::int64_t i) const {
    return unclamped_code_stochastic(x, grid, random_bits(random, static_cast<std::uint64_t>(i)));
  }
};

// One lane per element, one mask word per warp: the ballot is the word. Every lane stays in the
// loop until its whole warp is past n, so that __ballot_sync sees all of them.
template <class GridOf, class CodeOf>
__global__ void fake_quantize_kernel(const float* x, float* y, std::uint32_t* mask, std::int64_t n,
                                     GridOf grid_of, CodeOf code_of) {
  const std::int64_t padded = (n + 31) / 32 * 32;
  for (std::int64_t i = first_index(); i < padded; i += stride()) {
    FakeQuantized result{0.0f, 0};
    if (i < n) {
      const AffineGrid grid = grid_of(i);
      result = fake_quantized(x[i], code_of(x[i], grid, i), grid);
      y[i] = result.y;
    }
    const std::uint32_t word = __ballot_sync(0xffffffffu, result.passes != 0);
    if (mask != nullptr && threadIdx.x % 32 == 0) mask[i / 32] = word;
  }
}

template <class GridOf, class CodeOf>
__global__ void quantize_kernel(const float* x, std::int32_t* codes, std::int64_t n, GridOf grid_of,
                                CodeOf code_of) {
  for (std::int64_t i = first_index(); i < n; i += stride()) {
    const AffineGrid grid = grid_of(i);
    codes[i] = static_cast<std::int32_t>(clamped_code(code_of(x[i], grid, i), grid));
  }
}

template <class GridOf, class CodeOf>
void launch_fake_quantize(const float* x, float* y, std::uint32_t* mask, std::int64_t n,
                          GridOf grid_of, CodeOf code_of, Stream stream) {
  if (n == 0) return;
  fake_quantize_kernel<<<blocks_for(n), kThreads, 0, native(stream)>>>(x, y, mask, n, grid_of,
                                                                       code_of);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

}  // namespace

void fake_quantize_cuda(const float* x, float* y, std::uint32_t* mask, const ChannelLayout& layout,
                        const AffineGrid* grids, Rounding rounding, Stream stream) {
  launch_fake_quantize(x, y, mask, layout.size(),
                       GridPerChannel{grids, layout.channels, layout.inner}, Nearest{rounding},
                       stream);
}

void fake_quantize_cuda(const float* x, float* y, std::uint32_t* mask, std::int64_t n,
                        const AffineGrid& grid, Rounding rounding, Stream stream) {
  launch_fake_quantize(x, y, mask, n, OneGrid{grid}, Nearest{rounding}, stream);
}

void fake_quantize_stochastic_cuda(const float* x, float* y, std::uint32_t* mask,
                                   const ChannelLayout& layout, const AffineGrid* grids,
                                   const RandomStream& random, Stream stream) {
  launch_fake_quantize(x, y, mask, layout.size(),
                       GridPerChannel{grids, layout.channels, layout.inner}, Stochastic{random},
                       stream);
}

void quantize_cuda(const float* x, std::int32_t* codes, const ChannelLayout& layout,
                   const AffineGrid* grids, Rounding rounding, Stream stream) {
  const std::int64_t n = layout.size();
  if (n == 0) return;
  quantize_kernel<<<blocks_for(n), kThreads, 0, native(stream)>>>(
      x, codes, n, GridPerChannel{grids, layout.channels, layout.inner}, Nearest{rounding});
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

}  // namespace bitsweep::kernels
