// The CPU entry points of the quantizers of training: check, pick the loop for this processor.
#include <algorithm>
#include <stdexcept>
#include <string>

#include "kernels/clamp_quantize.h"
#include "kernels/cpu_loops.h"
#include "kernels/gradient_quantizer.h"
#include "kernels/learned_scale.h"
#include "kernels/weight_quantizer.h"

namespace bitsweep::kernels {
namespace {

void check_bits(const std::string& what, int bits, int smallest) {
  if (bits < smallest || bits > 16)
    throw std::invalid_argument("kernels: " + what + " of " + std::to_string(bits) + " bits; " +
                                std::to_string(smallest) + "–16 are possible");
}

void check(const ClampQuantizer& quantizer, float alpha) {
  if (quantizer.kind == ClampQuantizerKind::none) return;
  check_bits("a clamp quantizer", quantizer.bits,
             quantizer.kind == ClampQuantizerKind::mpact ? 2 : 1);
  if (quantizer.learns() && alpha == 0.0f)
    throw std::invalid_argument("kernels: the alpha of a clamp quantizer is 0");
}

}  // namespace

void check(const WeightQuantizer& quantizer) {
  check_bits("a weight quantizer", quantizer.bits, 1);
}
void check(const GradientQuantizer& quantizer) {
  check_bits("a gradient quantizer", quantizer.bits, 1);
}
void check_max_abs_bits(int bits) { check_bits("a narrow symmetric grid", bits, 2); }

void quantize_weights_cpu(const float* w, float* w_q, double* tanh_w, std::int64_t n,
                          const WeightQuantizer& quantizer, WeightQuantizerState* state) {
  check(quantizer);
  pick(&baseline::quantize_weights, &x86_64_v3::quantize_weights, &x86_64_v4::quantize_weights)(
      w, w_q, tanh_w, n, quantizer, state);
}

void quantize_weights_backward_cpu(const float*, const double* tanh_w, const float* grad_q,
                                   float* grad_w, std::int64_t n, const WeightQuantizer& quantizer,
                                   const WeightQuantizerState& state) {
  check(quantizer);
  pick(&baseline::quantize_weights_backward, &x86_64_v3::quantize_weights_backward,
       &x86_64_v4::quantize_weights_backward)(tanh_w, grad_q, grad_w, n, quantizer, state);
}

void weight_codes_cpu(const double* tanh_w, std::int32_t* codes, std::int64_t n,
                      const WeightQuantizer& quantizer, const WeightQuantizerState& state) {
  check(quantizer);
  pick(&baseline::weight_codes, &x86_64_v3::weight_codes, &x86_64_v4::weight_codes)(
      tanh_w, codes, n, quantizer, state);
}

void learned_scale_backward_cpu(const float* x, const float* grad_y, float* grad_x,
                                const ChannelLayout& layout, const AffineGrid* grids,
                                Rounding rounding, double factor, double* grad_scale,
                                double* grad_zero_point) {
  pick(&baseline::learned_scale_backward, &x86_64_v3::learned_scale_backward,
       &x86_64_v4::learned_scale_backward)(x, grad_y, grad_x, layout, grids, rounding, factor,
                                           grad_scale, grad_zero_point);
}

void max_abs_grids_cpu(const float* w, const ChannelLayout& layout, int bits, MaxAbs* max_abs,
                       AffineGrid* grids) {
  check_max_abs_bits(bits);
  pick(&baseline::max_abs_grids, &x86_64_v3::max_abs_grids, &x86_64_v4::max_abs_grids)(
      w, layout, bits, max_abs, grids);
}

void max_abs_backward_cpu(const float* w, const float* grad_y, float* grad_w,
                          const ChannelLayout& layout, const MaxAbs* max_abs,
                          const AffineGrid* grids) {
  pick(&baseline::max_abs_backward, &x86_64_v3::max_abs_backward, &x86_64_v4::max_abs_backward)(
      w, grad_y, grad_w, layout, max_abs, grids);
}

void quantize_gradients_cpu(const float* g, float* g_q, const float* noise,
                            const ChannelLayout& layout, const MinMax* extremes,
                            const GradientQuantizer& quantizer) {
  using Loop = void(const float*, float*, const float*, const ChannelLayout&, const MinMax*,
                    const GradientQuantizer&);
  check(quantizer);
  pick<Loop>(&baseline::quantize_gradients, &x86_64_v3::quantize_gradients,
             &x86_64_v4::quantize_gradients)(g, g_q, noise, layout, extremes, quantizer);
}

void quantize_gradients_cpu(const float* g, float* g_q, const RandomStream& random,
                            const ChannelLayout& layout, const MinMax* extremes,
                            const GradientQuantizer& quantizer) {
  using Loop = void(const float*, float*, const RandomStream&, const ChannelLayout&, const MinMax*,
                    const GradientQuantizer&);
  check(quantizer);
  pick<Loop>(&baseline::quantize_gradients, &x86_64_v3::quantize_gradients,
             &x86_64_v4::quantize_gradients)(g, g_q, random, layout, extremes, quantizer);
}

void clamp_quantize_cpu(const float* x, float* y, std::int32_t* codes, std::int64_t n,
                        const ClampQuantizer& quantizer, float alpha) {
  check(quantizer, alpha);
  if (quantizer.kind == ClampQuantizerKind::none) {
    std::copy_n(x, n, y);
    return;
  }
  pick(&baseline::clamp_quantize, &x86_64_v3::clamp_quantize, &x86_64_v4::clamp_quantize)(
      x, y, codes, n, clamp_grid(quantizer, alpha));
}

void clamp_quantize_backward_cpu(const float* x, const float* grad_y, float* grad_x, std::int64_t n,
                                 const ClampQuantizer& quantizer, float alpha, double* grad_alpha) {
  check(quantizer, alpha);
  pick(&baseline::clamp_quantize_backward, &x86_64_v3::clamp_quantize_backward,
       &x86_64_v4::clamp_quantize_backward)(x, grad_y, grad_x, n, clamp_grid(quantizer, alpha),
                                            grad_alpha);
}

double alpha_penalty(const float* alpha, std::int64_t n, double lambda, double* grad_alpha) {
  double squares = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto a = static_cast<double>(alpha[i]);
    squares += a * a;
    if (grad_alpha != nullptr) grad_alpha[i] += 2.0 * lambda * a;
  }
  return lambda * squares;
}

}  // namespace bitsweep::kernels
