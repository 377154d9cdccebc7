// The CPU entry points of weight_quantizer.h: check, pick the loop for this processor.
#include "kernels/weight_quantizer.h"

#include <stdexcept>
#include <string>

#include "kernels/cpu_loops.h"

namespace bitsweep::kernels {

void check(const WeightQuantizer& quantizer) {
  if (quantizer.bits < 1 || quantizer.bits > 16)
    throw std::invalid_argument("kernels: a weight quantizer of " + std::to_string(quantizer.bits) +
                                " bits; 1–16 are possible");
}

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

}  // namespace bitsweep::kernels
