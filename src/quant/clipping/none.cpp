// No clipping: the range is that of the values (facts 004 B.1.3).
#include "quant/clipping.h"

namespace bitsweep::quant {
namespace {

kernels::RealRange range(const Statistics& statistics, const ClippingRequest& request) {
  const float lower = request.half_range ? 0.0F : static_cast<float>(statistics.min);
  return {lower, static_cast<float>(statistics.max) - lower};
}

}  // namespace

void register_none(Registry<Clipping>& registry) {
  registry.add({.name = "none",
                .summary = "from the smallest to the largest value",
                .needs_moments = false,
                .range = range});
}

}  // namespace bitsweep::quant
