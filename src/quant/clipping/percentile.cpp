// The values between two percentiles: P percent of them lie below the upper end and P percent above
// the lower one (`quant.activation.percentile`); with a ReLU, from 0 to the upper one.
#include <algorithm>

#include "core/error.h"
#include "quant/clipping.h"

namespace bitsweep::quant {
namespace {

kernels::RealRange range(const Statistics& statistics, const ClippingRequest& request) {
  if (!(request.percentile > 50 && request.percentile <= 100)) {
    throw ConfigError(
        fmt::format("quant.activation.percentile = {}: expected more than 50 (half of the values "
                    "below the upper end leave no range) and at most 100",
                    request.percentile));
  }
  const Histogram& histogram = histogram_of(statistics);
  const double share = request.percentile / 100;
  const double upper = histogram.quantile(share);
  if (request.half_range) return {0.0F, static_cast<float>(std::max(upper, 0.0))};
  const double lower = histogram.quantile(1 - share);
  return {static_cast<float>(lower), static_cast<float>(upper - lower)};
}

}  // namespace

void register_percentile(Registry<Clipping>& registry) {
  registry.add({.name = "percentile",
                .summary = "the values between two percentiles (quant.activation.percentile)",
                .needs_moments = false,
                .needs_histogram = true,
                .range = range});
}

}  // namespace bitsweep::quant
