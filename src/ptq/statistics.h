// What calibration knows of a tensor: extremes, and the moments that clipping goes by (facts 004
// B.2.3, B.2.4).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "kernels/moments.h"
#include "quant/statistics.h"

namespace bitsweep::ptq {

using quant::Statistics;

// Of a batch of activations, or of several batches put together.
struct TensorStatistics {
  Statistics tensor;
  double sample_min = 0;  // mean over samples of the smallest element of each
  double sample_max = 0;
  std::vector<Statistics> channels;
};

// A tensor became infinite or not a number: the trial has no result, and the sweep goes on.
struct Diverged : Error {
  using Error::Error;
};

void set_moments(Statistics& statistics, const kernels::Moments& moments);

// How much of them is computed; the rest stays 0.
enum class Detail {
  extremes,         // min, max, sample_min, sample_max
  tensor_moments,   // also mean, std and b of the tensor
  channel_moments,  // also mean, std and b of the channels, each in a stretch that caches hold
  moments,          // all
};

// value: [samples, channels, height, width] float32 contiguous, not empty, on any device. Throws
// Diverged naming `what` where an element is infinite or not a number.
TensorStatistics statistics(const at::Tensor& value, Detail detail, const std::string& what);

// The arithmetic mean of every field over batches (at least one).
TensorStatistics mean_over(std::span<const TensorStatistics> batches);
// As mean_over, but the smallest minimum and the largest maximum (of extremes and of samples).
TensorStatistics extreme_over(std::span<const TensorStatistics> batches);

}  // namespace bitsweep::ptq
