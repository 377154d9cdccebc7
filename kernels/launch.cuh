// Grid-stride launches: sizes, and the loop that keeps whole warps together.
#pragma once

#include <cstdint>

namespace bitsweep::kernels {

inline constexpr int kThreads = 256;  // a multiple of the warp size
inline constexpr std::int64_t kMaxBlocks = 8192;

// Blocks for one thread per element, capped: kernels stride over the rest. n > 0.
inline unsigned blocks_for(std::int64_t n) {
  const std::int64_t blocks = (n + kThreads - 1) / kThreads;
  return static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks);
}

__device__ inline std::int64_t first_index() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

__device__ inline std::int64_t stride() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.x;
}

}  // namespace bitsweep::kernels
