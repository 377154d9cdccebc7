// Clipping by search: the range whose grid makes the least mean squared error on the values
// themselves, without a prior. The search of the issue's `mse`, and its candidates, so that tests
// and benchmarks can try each on the values (brute force).
#pragma once

#include <vector>

#include "quant/clipping.h"
#include "quant/histogram.h"

namespace bitsweep::quant {

inline constexpr int kClippingCandidates = 100;

// Candidate k = 1 … 100 keeps what lies within k/100 of the largest distance from the mean, and
// never reaches beyond the extremes; where a ReLU is performed, 0 … k/100 of the largest value. One
// candidate, the whole range, where it is empty or where there is no grid of fewer codes than bins.
std::vector<kernels::RealRange> clipping_candidates(const Histogram& histogram,
                                                    const ClippingRequest& request);

// The candidate with the least error; of equal ones the widest. Where the histogram has kept its
// values that is the error on them, and the choice is that of trying each candidate on the values.
kernels::RealRange least_error_range(const Histogram& histogram, const ClippingRequest& request);

}  // namespace bitsweep::quant
