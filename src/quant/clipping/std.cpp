// "std:P": α = P standard deviations, whatever the width (facts 004 B.2.3, `-c <p>std`).
#include "core/check.h"
#include "quant/clipping.h"

namespace bitsweep::quant {
namespace {

kernels::RealRange range(const Statistics& statistics, const ClippingRequest& request) {
  BITSWEEP_CHECK(request.parameter > 0, "{} standard deviations", request.parameter);
  return range_around_mean(statistics, request.parameter * statistics.std, request.half_range);
}

}  // namespace

void register_std(Registry<Clipping>& registry) {
  registry.add({.name = "std", .summary = "P standard deviations around the mean", .range = range});
}

}  // namespace bitsweep::quant
