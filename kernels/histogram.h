// Histograms per tensor or per channel, for clipping rules that look at the values themselves
// (percentile, mse, kl) and for observers.
#pragma once

#include <cstdint>

#include "kernels/histogram_math.h"
#include "kernels/layout.h"
#include "kernels/stream.h"

namespace bitsweep::kernels {

// Elements that are counted or left out together.
inline constexpr std::int64_t kHistogramBlock = 64;

// Adds to counts[c · kHistogramBins + i] the elements of channel c that lie in bin i of bins[c].
// x: [layout] float32 without NaN; bins: [layout.channels], that hold the extremes of their
// channel; counts: [layout.channels · kHistogramBins], kept below 2^32 by the caller.
//
// `stride` 1 counts every element; n counts one block of kHistogramBlock in n: each stretch of
// layout.inner elements is cut into blocks, the last of which may be shorter, numbered through the
// channel; those whose number divides by n are counted. Integers: the same result for every
// instruction set, and for any cutting of `outer` where every element is counted.
void histogram_cpu(const float* x, const ChannelLayout& layout, const HistogramBins* bins,
                   std::int64_t stride, std::uint32_t* counts);

// As above, every array in memory of the stream's device; returns when the work is queued. Throws
// CudaError (kernels/error.h), also in a build without CUDA.
void histogram_cuda(const float* x, const ChannelLayout& layout, const HistogramBins* bins,
                    std::int64_t stride, std::uint32_t* counts, Stream stream);

}  // namespace bitsweep::kernels
