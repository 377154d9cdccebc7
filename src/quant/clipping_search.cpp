#include "quant/clipping_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/check.h"

namespace bitsweep::quant {
namespace {

// With as many codes as bins the histogram cannot tell rounding from nothing, and clipping has
// nothing to gain.
constexpr int kMostSearchedBits = 11;

kernels::RealRange between(double lower, double upper) {
  return {static_cast<float>(lower), static_cast<float>(upper - lower)};
}

}  // namespace

std::vector<kernels::RealRange> clipping_candidates(const Histogram& histogram,
                                                    const ClippingRequest& request) {
  const double min = histogram.min();
  const double max = histogram.max();
  const bool half = request.half_range;
  const kernels::RealRange whole = half ? between(0, std::max(max, 0.0)) : between(min, max);
  const bool searched = request.bits >= 1 && request.bits < kMostSearchedBits;
  if (!searched || !(whole.length > 0)) return {whole};
  std::vector<kernels::RealRange> out;
  const double mean = histogram.mean();
  const double reach = half ? max : std::max(max - mean, mean - min);
  for (int k = 1; k < kClippingCandidates; ++k) {
    const double distance = reach * k / kClippingCandidates;
    out.push_back(half ? between(0, distance)
                       : between(std::max(min, mean - distance), std::min(max, mean + distance)));
  }
  out.push_back(whole);
  return out;
}

kernels::RealRange least_error_range(const Histogram& histogram, const ClippingRequest& request) {
  const std::vector<kernels::RealRange> candidates = clipping_candidates(histogram, request);
  if (candidates.size() == 1) return candidates.front();
  BITSWEEP_CHECK(request.grid, "a search needs the grid that a range becomes");
  const HistogramSums sums(histogram);
  // From the edge of the first bin on: an extreme value alone in it may be what clipping costs
  // most.
  const double from = request.half_range ? 0 : histogram.edge();
  kernels::RealRange best = candidates.back();
  double least = std::numeric_limits<double>::infinity();
  for (const kernels::RealRange& candidate : candidates) {
    const double error = sums.squared_error(request.grid(candidate), from, least);
    if (error > least) continue;
    least = error;
    best = candidate;
  }
  return best;
}

}  // namespace bitsweep::quant
