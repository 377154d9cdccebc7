// Where a value lies in a histogram whose bins are aligned powers of two, so that two histograms of
// the same tensor join without loss (docs/numerics.md, "Histograms").
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/formula.h"

namespace bitsweep::kernels {

inline constexpr std::int32_t kHistogramBins = 2048;

// Bin i holds the x with first + i <= x / width < first + i + 1. The width is a power of two and
// `first` a whole number, both exact, so that x / width is exact, too.
struct HistogramBins {
  float inverse_width = 1.0f;
  float first = 0.0f;

  friend bool operator==(const HistogramBins&, const HistogramBins&) = default;
};

// The finest bins that hold [min, max], finite and min <= max: a pure function of the two, and
// never finer for a wider range. Where the range is narrow beside its distance from zero the bins
// are one float32 step or so wide; never narrower than 2^-100.
BITSWEEP_FORMULA HistogramBins histogram_bins(float min, float max) {
  // A range of at most kHistogramBins − 2 widths touches at most kHistogramBins − 1 bins.
  const double wanted =
      (static_cast<double>(max) - static_cast<double>(min)) / (kHistogramBins - 2);
  int exponent = -100;
  if (wanted > 0.0) {
    int above = 0;
    const double fraction = frexp(wanted, &above);  // wanted = fraction · 2^above, in [0.5, 1)
    const int finest = fraction == 0.5 ? above - 1 : above;
    exponent = finest > exponent ? finest : exponent;
  }
  const float magnitude = fabsf(min) > fabsf(max) ? fabsf(min) : fabsf(max);
  if (magnitude > 0.0f) {
    const int step = ilogbf(magnitude) - 23;  // first and x / width stay whole in float32
    exponent = step > exponent ? step : exponent;
  }
  const float inverse = ldexpf(1.0f, -exponent);
  return {inverse, floorf(min * inverse)};
}

// The bin of x. What lies outside goes to the bin at that end and NaN to bin 0: callers refuse NaN
// and give bins that hold their values.
BITSWEEP_FORMULA std::int32_t bin_of(float x, HistogramBins bins) {
  float bin = floorf(x * bins.inverse_width) - bins.first;
  bin = bin > 0.0f ? bin : 0.0f;
  constexpr float kLast = static_cast<float>(kHistogramBins - 1);
  return static_cast<std::int32_t>(bin < kLast ? bin : kLast);
}

}  // namespace bitsweep::kernels
