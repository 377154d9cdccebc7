// ACIQ for the Gauss distribution with the tensor's mean and standard deviation:
// the α with the least clipping and rounding noise (facts 004 B.2).
#include "quant/clipping.h"

namespace bitsweep::quant {
namespace {

kernels::RealRange range(const Statistics& statistics, const ClippingRequest& request) {
  const double alpha = statistics.std * clipping_constant(Prior::gauss, request);
  return range_around_mean(statistics, alpha, request.half_range);
}

}  // namespace

void register_gauss(Registry<Clipping>& registry) {
  registry.add({.name = "gauss",
                .summary = "ACIQ: least mean squared error if the values are Gauss-distributed",
                .range = range});
}

}  // namespace bitsweep::quant
