// Laplace or Gauss, whichever expects the smaller error: b²·MSE(α/b) against σ²·MSE(α/σ). Per
// tensor or channel, from its b and σ: heavy tails make b small beside σ and choose Laplace. (The
// simulator of 2019 has the word, but compares numbers that it never collected, and always ends as
// Laplace: facts 004 B.2.3.)
#include "quant/clipping.h"

namespace bitsweep::quant {
namespace {

struct Candidate {
  double alpha, mse;
};

Candidate candidate(Prior prior, double scale, const ClippingRequest& request) {
  const double constant = clipping_constant(prior, request);
  return {scale * constant, scale * scale * expected_clipping_mse(prior, constant, request)};
}

kernels::RealRange range(const Statistics& statistics, const ClippingRequest& request) {
  const Candidate laplace = candidate(Prior::laplace, statistics.b, request);
  const Candidate gauss = candidate(Prior::gauss, statistics.std, request);
  const double alpha = gauss.mse < laplace.mse ? gauss.alpha : laplace.alpha;
  return range_around_mean(statistics, alpha, request.half_range);
}

}  // namespace

void register_mix(Registry<Clipping>& registry) {
  registry.add({.name = "mix",
                .summary = "laplace or gauss, whichever expects the smaller error",
                .range = range});
}

}  // namespace bitsweep::quant
