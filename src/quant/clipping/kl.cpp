// The threshold T with the least divergence of the quantized distribution (quant/kl_threshold.h):
// what lies within −T … T, or 0 … T where a ReLU is performed. One threshold for all batches, from
// their common histogram; the simulator of 2019 takes one for each sample (facts 004 B.5).
#include <algorithm>
#include <cmath>

#include "quant/clipping.h"
#include "quant/kl_threshold.h"

namespace bitsweep::quant {
namespace {

constexpr std::size_t kBins = 2001;  // as the simulator

// Symmetric counts over −reach … reach: of the values or, where those below 0 become 0 anyway, of
// the positive ones and their mirror image.
std::vector<double> symmetric_counts(const Histogram& histogram, double reach, bool mirror) {
  std::vector<double> counts = histogram.resampled(kBins, -reach, reach);
  if (!mirror) return counts;
  for (std::size_t i = 0; i < kBins / 2; ++i) counts[i] = counts[kBins - 1 - i];
  return counts;
}

kernels::RealRange range(const Statistics& statistics, const ClippingRequest& request) {
  const Histogram& histogram = histogram_of(statistics);
  const bool half = request.half_range;
  const double reach =
      half ? histogram.max() : std::max(std::abs(histogram.min()), std::abs(histogram.max()));
  if (!(reach > 0)) return {0.0F, 0.0F};
  // An odd number of levels around zero, as many as the codes of one side ask for.
  const double levels = std::ldexp(1.0, request.bits + (half ? 1 : 0)) - 1;
  double threshold = reach;
  if (levels >= 3 && levels < static_cast<double>(kBins)) {
    const auto counts = symmetric_counts(histogram, reach, half);
    const auto within = static_cast<double>(kl_half_width(counts, static_cast<int>(levels)));
    threshold = reach * (2 * within + 1) / static_cast<double>(kBins);
  }
  if (half) return {0.0F, static_cast<float>(threshold)};
  const double lower = std::max(histogram.min(), -threshold);
  return {static_cast<float>(lower),
          static_cast<float>(std::min(histogram.max(), threshold) - lower)};
}

}  // namespace

void register_kl(Registry<Clipping>& registry) {
  registry.add({.name = "kl",
                .summary = "the threshold whose quantized distribution diverges least",
                .needs_moments = false,
                .needs_histogram = true,
                .range = range});
}

}  // namespace bitsweep::quant
