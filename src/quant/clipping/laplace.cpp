// ACIQ for the Laplace distribution with the tensor's mean and b = mean |x − mean|:
// the α with the least clipping and rounding noise (facts 004 B.2).
#include "quant/clipping.h"

namespace bitsweep::quant {
namespace {

kernels::RealRange range(const Statistics& statistics, const ClippingRequest& request) {
  const double alpha = statistics.b * clipping_constant(Prior::laplace, request);
  return range_around_mean(statistics, alpha, request.half_range);
}

}  // namespace

void register_laplace(Registry<Clipping>& registry) {
  registry.add({.name = "laplace",
                .summary = "ACIQ: least mean squared error if the values are Laplace-distributed",
                .range = range});
}

}  // namespace bitsweep::quant
