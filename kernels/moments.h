// Mean, standard deviation and mean absolute deviation per channel, for clipping rules and bit
// allocation (document 004, facts B.2.3: σ and b of a tensor).
#pragma once

#include <cstdint>

#include "kernels/layout.h"

namespace bitsweep::kernels {

struct Moments {
  double mean = 0.0;
  double std = 0.0;                      // unbiased; 0 for a single element
  double mean_absolute_deviation = 0.0;  // mean |x − mean|: the b of a Laplace distribution
};

// out[c] over the outer · inner elements of channel c; x: [layout] float32, out: [layout.channels].
// Float64 sums over 8 lanes in a fixed order: the same bits for every instruction set and thread.
// An empty channel has all zeros; NaN propagates.
void moments_cpu(const float* x, const ChannelLayout& layout, Moments* out);

}  // namespace bitsweep::kernels
