// The loops of optimizer.h, compiled once per instruction set (BITSWEEP_VARIANT). ivdep: the arrays
// do not overlap.
#include "kernels/cpu_loops.h"

namespace bitsweep::kernels::BITSWEEP_VARIANT {

void sgd_step(float* parameters, float* momenta, const float* gradients, std::int64_t n,
              SgdOptions options, float lr) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    const SgdElement next = kernels::sgd_step(parameters[i], momenta[i], gradients[i], options, lr);
    parameters[i] = next.parameter;
    momenta[i] = next.momentum;
  }
}

void adam_step(float* parameters, float* first_moments, float* second_moments,
               const float* gradients, std::int64_t n, AdamStep step) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    const AdamElement next =
        kernels::adam_step(parameters[i], first_moments[i], second_moments[i], gradients[i], step);
    parameters[i] = next.parameter;
    first_moments[i] = next.first_moment;
    second_moments[i] = next.second_moment;
  }
}

}  // namespace bitsweep::kernels::BITSWEEP_VARIANT
