// The range with the least mean squared error on the grid that it becomes, of 100 candidates
// (quant/clipping_search.h).
#include "quant/clipping_search.h"

namespace bitsweep::quant {
namespace {

kernels::RealRange range(const Statistics& statistics, const ClippingRequest& request) {
  return least_error_range(histogram_of(statistics), request);
}

}  // namespace

void register_mse(Registry<Clipping>& registry) {
  registry.add({.name = "mse",
                .summary = "the least mean squared error of 100 ranges, measured on a histogram",
                .needs_moments = false,
                .needs_histogram = true,
                .range = range});
}

}  // namespace bitsweep::quant
