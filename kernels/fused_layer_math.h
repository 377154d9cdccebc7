// What follows a convolution, element by element: the affine map of a batch norm, an addition, a
// nonlinearity, a quantizer; and its derivative. The only place where these formulas stand.
//   u = scale[c]·x + shift[c] + other
//   t = nonlinearity(u)
//   y = quantizer(t)                      (kernels/clamp_quantize_math.h)
// Batch norm: Ioffe and Szegedy 2015, algorithm 1, with PyTorch's conventions (biased variance for
// normalizing, unbiased for the running one).
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/clamp_quantize_math.h"
#include "kernels/formula.h"

namespace bitsweep::kernels {

enum class Nonlinearity : std::uint8_t {
  clamp,               // min(max(u, low), high): identity, ReLU and ReLU6 by their bounds
  hard_swish,          // u · min(max(u + 3, 0), 6) / 6   (Howard 2019, MobileNetV3)
  hard_sigmoid,        // min(max(u + 3, 0), 6) / 6
  hard_sigmoid_fifth,  // min(max(u / 5 + 1/2, 0), 1)     (Keras 2, PaddlePaddle)
};

struct NonlinearityParams {
  Nonlinearity kind = Nonlinearity::clamp;
  float low = -INFINITY;
  float high = INFINITY;
};

// The `<` in this order lets NaN through.
BITSWEEP_FORMULA float clamped(float u, float low, float high) {
  u = u < low ? low : u;
  return u > high ? high : u;
}

template <Nonlinearity kKind>
BITSWEEP_FORMULA float nonlinear(float u, const NonlinearityParams& p) {
  if constexpr (kKind == Nonlinearity::clamp) return clamped(u, p.low, p.high);
  if constexpr (kKind == Nonlinearity::hard_sigmoid_fifth) {
    return clamped(u / 5.0f + 0.5f, 0.0f, 1.0f);
  }
  const float gate = clamped(u + 3.0f, 0.0f, 6.0f) / 6.0f;
  return kKind == Nonlinearity::hard_swish ? u * gate : gate;
}

// dt/du; 0 at the corners of a clamp and of a hard-sigmoid, as LibTorch has it. Hard-swish has 0
// below −3, u/3 + 1/2 from −3 to 3, both ends included, and 1 above.
template <Nonlinearity kKind>
BITSWEEP_FORMULA float nonlinear_slope(float u, const NonlinearityParams& p) {
  if constexpr (kKind == Nonlinearity::clamp) {
    return static_cast<float>((u > p.low) & (u < p.high));
  } else if constexpr (kKind == Nonlinearity::hard_sigmoid) {
    return (u > -3.0f) & (u < 3.0f) ? 1.0f / 6.0f : 0.0f;
  } else if constexpr (kKind == Nonlinearity::hard_sigmoid_fifth) {
    return (u > -2.5f) & (u < 2.5f) ? 0.2f : 0.0f;
  } else {
    const float line = u / 3.0f + 0.5f;
    return u < -3.0f ? 0.0f : u <= 3.0f ? line : 1.0f;
  }
}

// What a batch norm does to a batch, per channel. In evaluation from the running statistics.
struct NormAffine {
  float mean;
  float inverse_std;
  float scale;  // γ / √(σ² + ε)
  float shift;  // β − mean · scale
};

// From the moments of n elements (n ≥ 1), biased variance.
BITSWEEP_FORMULA NormAffine norm_affine(double mean, double variance, double eps, float gamma,
                                        float beta) {
  const double inverse_std = 1.0 / sqrt(variance + eps);
  const double scale = gamma * inverse_std;
  return {static_cast<float>(mean), static_cast<float>(inverse_std), static_cast<float>(scale),
          static_cast<float>(beta - mean * scale)};
}

// Sums over a channel's elements, taken relative to a pivot near their mean.
struct NormSums {
  double sum;      // Σ (x − pivot)
  double squares;  // Σ (x − pivot)²
};

struct NormMoments {
  double mean;
  double variance;  // biased
};

BITSWEEP_FORMULA NormMoments norm_moments(const NormSums& sums, double pivot, std::int64_t n) {
  const double offset = sums.sum / static_cast<double>(n);
  const double variance = sums.squares / static_cast<double>(n) - offset * offset;
  return {pivot + offset, variance > 0.0 ? variance : variance == variance ? 0.0 : variance};
}

// (1 − share)·running + share·new; the variance unbiased (n > 1).
BITSWEEP_FORMULA float running_mean_update(float running, double mean, double share) {
  return static_cast<float>((1.0 - share) * running + share * mean);
}
BITSWEEP_FORMULA float running_var_update(float running, double variance, std::int64_t n,
                                          double share) {
  const double unbiased =
      n > 1 ? variance * (static_cast<double>(n) / static_cast<double>(n - 1)) : variance;
  return static_cast<float>((1.0 - share) * running + share * unbiased);
}

// Sums over a channel's elements of the gradient g that arrives at the norm's output.
struct GradientSums {
  double gradient;  // Σ g
  double product;   // Σ g · (x − mean)
};

// dx = slope·g + line·(x − mean) + constant.
struct NormGradient {
  float slope;
  float line;
  float constant;
};

// Training: through the batch's own mean and variance.
BITSWEEP_FORMULA NormGradient norm_gradient(const GradientSums& sums, const NormAffine& a,
                                            float gamma, std::int64_t n) {
  const double inverse_std = a.inverse_std;
  const double slope = gamma * inverse_std;
  return {static_cast<float>(slope),
          static_cast<float>(-slope * inverse_std * inverse_std * sums.product /
                             static_cast<double>(n)),
          static_cast<float>(-slope * sums.gradient / static_cast<double>(n))};
}

BITSWEEP_FORMULA float norm_gamma_gradient(const GradientSums& sums, const NormAffine& a) {
  return static_cast<float>(sums.product * a.inverse_std);
}
BITSWEEP_FORMULA float norm_beta_gradient(const GradientSums& sums) {
  return static_cast<float>(sums.gradient);
}

}  // namespace bitsweep::kernels
