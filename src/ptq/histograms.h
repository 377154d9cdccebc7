// Histograms of activations, batch by batch (quant/histogram.h).
#pragma once

#include <ATen/core/Tensor.h>

#include "ptq/statistics.h"

namespace bitsweep::ptq {

// From so many values of a batch in one histogram on, one block in kSampleStride is counted
// (kernels/histogram.h): the extremes are of all values, and counting stays within twice the time
// of finding them.
inline constexpr std::int64_t kSampledFrom = std::int64_t{1} << 18;
inline constexpr std::int64_t kSampleStride = 4;

// A histogram keeps its values (quant/histogram.h) where those of its output, in all channels and
// batches, are no more than these: 1 MiB.
inline constexpr std::int64_t kKeptValues = std::int64_t{1} << 18;

// Adds the histograms that `detail` asks for to statistics whose extremes are known. value: as
// statistics() takes it.
void add_histograms(const at::Tensor& value, const Detail& detail, TensorStatistics& out);

// The histograms of `from` go into those of `into`.
void merge_histograms(TensorStatistics& into, const TensorStatistics& from);
void forget_histograms(TensorStatistics& statistics);

}  // namespace bitsweep::ptq
