// ordered_sum() of ordered_sum.h on the GPU: the same bits.
#pragma once

#include <cstdint>

#include "kernels/ordered_sum.h"

namespace bitsweep::kernels {

// Σ term(i) for i in [0, n), by one block of kSumLanes threads, all of which call it and get the
// sum. `lanes`: shared memory. Whatever the terms read has been read when it returns.
template <class Term>
__device__ double ordered_sum_by_block(std::int64_t n, double (&lanes)[kSumLanes], Term term) {
  const int lane = static_cast<int>(threadIdx.x);
  double sum = 0.0;
  for (std::int64_t i = lane; i < n; i += kSumLanes) sum += term(i);
  lanes[lane] = sum;
  for (int half = kSumLanes / 2; half > 0; half /= 2) {
    __syncthreads();
    if (lane < half) lanes[lane] += lanes[lane + half];
  }
  __syncthreads();
  const double total = lanes[0];
  __syncthreads();  // before the next sum overwrites it
  return total;
}

}  // namespace bitsweep::kernels
