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

// What to find out. Extremes always: min, max, sample_min, sample_max; the rest stays 0 or nullptr
// unless asked for.
struct Detail {
  bool moments_of_tensor = false;  // mean, std, b
  bool moments_of_channels = false;
  bool histogram_of_tensor = false;
  bool histogram_of_channels = false;

  static const Detail extremes;
  static const Detail tensor_moments;
  static const Detail channel_moments;
  static const Detail moments;

  bool covers(const Detail& other) const { return (*this | other) == *this; }
  friend bool operator==(const Detail&, const Detail&) = default;
  Detail operator|(const Detail& other) const {
    return {moments_of_tensor || other.moments_of_tensor,
            moments_of_channels || other.moments_of_channels,
            histogram_of_tensor || other.histogram_of_tensor,
            histogram_of_channels || other.histogram_of_channels};
  }
};
inline constexpr Detail Detail::extremes{};
inline constexpr Detail Detail::tensor_moments{.moments_of_tensor = true};
inline constexpr Detail Detail::channel_moments{.moments_of_channels = true};
inline constexpr Detail Detail::moments{.moments_of_tensor = true, .moments_of_channels = true};

// value: [samples, channels, height, width] float32 contiguous, not empty, on any device. Throws
// Diverged naming `what` where an element is infinite or not a number.
TensorStatistics statistics(const at::Tensor& value, const Detail& detail, const std::string& what);

// The arithmetic mean of every field over batches (at least one); one histogram of all of them.
TensorStatistics mean_over(std::span<const TensorStatistics> batches);
// As mean_over, but the smallest minimum and the largest maximum (of extremes and of samples).
TensorStatistics extreme_over(std::span<const TensorStatistics> batches);

}  // namespace bitsweep::ptq
