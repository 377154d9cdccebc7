// Optimizers: the only place where their formulas stand (docs/numerics.md, "Optimizers"). One
// element a call, float32, one rounding per operation, in the order of PyTorch's implementations.
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/formula.h"

namespace bitsweep::kernels {

// torch.optim.SGD with dampening 0.
struct SgdOptions {
  float momentum = 0.0f;
  float weight_decay = 0.0f;  // its product with the parameter is added to the gradient
  bool nesterov = false;
};

// torch.optim.Adam; its decay is added to the gradient (not AdamW). Float64, because 1 − β is
// formed from them before it is rounded: 1 − float(0.999) would be off by 1.3e-5 of itself.
struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0.0;
};

struct SgdElement {
  float parameter;
  float momentum;
};

// A buffer that starts at 0 gives PyTorch's first step, m = d.
BITSWEEP_FORMULA SgdElement sgd_step(float p, float m, float g, const SgdOptions& options,
                                     float lr) {
  const float d = g + options.weight_decay * p;
  const float buffer = options.momentum * m + d;
  const float direction = options.nesterov ? d + options.momentum * buffer : buffer;
  return {p - lr * direction, buffer};
}

// base^n by squaring: the same products on every device, unlike a library's pow. n >= 0.
BITSWEEP_FORMULA double whole_power(double base, std::int64_t n) {
  double result = 1.0;
  for (; n > 0; n /= 2) {
    if (n % 2 == 1) result *= base;
    base *= base;
  }
  return result;
}

// What is the same for all elements of a step: float64 until the last rounding.
struct AdamStep {
  float beta1;
  float rest1;  // 1 − β1
  float beta2;
  float rest2;  // 1 − β2
  float epsilon;
  float weight_decay;
  float size;              // lr / (1 − β1^step)
  float root_correction2;  // sqrt(1 − β2^step)
};

// step: 1, 2, …
BITSWEEP_FORMULA AdamStep adam_step_of(const AdamOptions& options, float lr, std::int64_t step) {
  const double correction1 = 1.0 - whole_power(options.beta1, step);
  const double correction2 = 1.0 - whole_power(options.beta2, step);
  return {static_cast<float>(options.beta1),
          static_cast<float>(1.0 - options.beta1),
          static_cast<float>(options.beta2),
          static_cast<float>(1.0 - options.beta2),
          static_cast<float>(options.epsilon),
          static_cast<float>(options.weight_decay),
          static_cast<float>(static_cast<double>(lr) / correction1),
          static_cast<float>(sqrt(correction2))};
}

struct AdamElement {
  float parameter;
  float first_moment;
  float second_moment;
};

BITSWEEP_FORMULA AdamElement adam_step(float p, float m, float v, float g, const AdamStep& step) {
  const float d = g + step.weight_decay * p;
  const float first = step.beta1 * m + step.rest1 * d;
  const float second = step.beta2 * v + step.rest2 * d * d;
  const float denominator = sqrtf(second) / step.root_correction2 + step.epsilon;
  return {p - step.size * first / denominator, first, second};
}

}  // namespace bitsweep::kernels
