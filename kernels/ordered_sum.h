// The order in which float64 sums over one array are taken, so that every instruction set and the
// GPU arrive at the same bits: element i goes to lane i % 1024, lanes add in order of i, and then
// the upper half of the lanes is added to the lower half until one is left.
#pragma once

#include <cstdint>

namespace bitsweep::kernels {

inline constexpr int kSumLanes = 1024;  // the threads of one CUDA block

// Σ term(i) for i in [0, n). Inlined like a formula (kernels/formula.h).
template <class Term>
[[gnu::always_inline]] inline double ordered_sum(std::int64_t n, Term term) {
  int used = kSumLanes;  // lanes without an element would only add zeros
  while (used > 1 && used / 2 >= n) used /= 2;
  double lanes[kSumLanes];
  for (int lane = 0; lane < used; ++lane) lanes[lane] = 0.0;
  std::int64_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes)
    for (int lane = 0; lane < kSumLanes; ++lane) lanes[lane] += term(i + lane);
  for (int lane = 0; i < n; ++i, ++lane) lanes[lane] += term(i);
  for (int half = used / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

}  // namespace bitsweep::kernels
