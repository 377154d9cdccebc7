// Smallest and largest element, per tensor, per channel or per sample (kernels/layout.h says how).
#pragma once

#include <cstdint>

#include "kernels/layout.h"
#include "kernels/min_max_math.h"
#include "kernels/stream.h"

namespace bitsweep::kernels {

// out[c] = extremes of channel c over outer and inner. x: [layout]; out: [layout.channels]. NaN is
// reported, not propagated. The same bits for every instruction set; parts can be joined by
// merge().
void min_max_cpu(const float* x, const ChannelLayout& layout, MinMax* out);

// The extremes of n elements.
MinMax min_max_cpu(const float* x, std::int64_t n);

// As above, arrays in memory of the stream's device; returns when the work is queued. Throws
// CudaError (kernels/error.h), also in a build without CUDA.
void min_max_cuda(const float* x, const ChannelLayout& layout, MinMax* out, Stream stream);

}  // namespace bitsweep::kernels
