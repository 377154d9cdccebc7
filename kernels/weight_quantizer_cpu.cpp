// The loops of weight_quantizer.h, compiled once per instruction set (BITSWEEP_VARIANT).
#include "kernels/cpu_loops.h"
#include "kernels/ordered_sum.h"
#include "kernels/tanh_math.h"

namespace bitsweep::kernels::BITSWEEP_VARIANT {
namespace {

constexpr int kBlock = 1024;  // weights whose tanh stays in the first-level cache
constexpr int kLanes = 32;    // of a maximum, which does not depend on their order

// max |tanh_w|, 0 for none; NaN does not count.
double largest_size(const double* tanh_w, std::int64_t n) {
  double lanes[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) lanes[lane] = 0.0;
  const auto include = [&](int lane, double value) {
    const double size = fabs(value);
    lanes[lane] = size > lanes[lane] ? size : lanes[lane];
  };
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) include(lane, tanh_w[i + lane]);
  for (; i < n; ++i) include(0, tanh_w[i]);
  double largest = 0.0;
  for (int lane = 0; lane < kLanes; ++lane) largest = lanes[lane] > largest ? lanes[lane] : largest;
  return largest;
}

// Fills tanh_w and finds its maximum; the search for the maximum's place reads one block only.
WeightQuantizerState tanh_and_maximum(const float* w, double* tanh_w, std::int64_t n) {
  WeightQuantizerState state;
  for (std::int64_t begin = 0; begin < n; begin += kBlock) {
    const std::int64_t end = begin + kBlock < n ? begin + kBlock : n;
    for (std::int64_t i = begin; i < end; ++i) tanh_w[i] = tanh_formula(static_cast<double>(w[i]));
    const double largest = largest_size(tanh_w + begin, end - begin);
    if (!(largest > state.max_tanh)) continue;
    state.max_tanh = largest;
    state.argmax = begin;
  }
  while (state.max_tanh > 0.0 && fabs(tanh_w[state.argmax]) != state.max_tanh) ++state.argmax;
  return state;
}

// Calls f with the rounding as a compile-time constant, so that no loop branches on it.
template <class F>
[[gnu::always_inline]] inline void with_weight_rounding(const WeightQuantizer& quantizer, F f) {
  switch (weight_rounding(quantizer)) {
    case WeightRounding::symmetric:
      return f.template operator()<WeightRounding::symmetric>();
    case WeightRounding::ternary:
      return f.template operator()<WeightRounding::ternary>();
    case WeightRounding::binary:
      return f.template operator()<WeightRounding::binary>();
    case WeightRounding::unit:
      return f.template operator()<WeightRounding::unit>();
  }
}

}  // namespace

void quantize_weights(const float* w, float* w_q, double* tanh_w, std::int64_t n,
                      const WeightQuantizer& quantizer, WeightQuantizerState* state) {
  WeightQuantizerState now = tanh_and_maximum(w, tanh_w, n);
  if (weight_rounding(quantizer) == WeightRounding::binary && n > 0)
    now.mean_abs = ordered_sum(n, [&](std::int64_t i) { return fabs(static_cast<double>(w[i])); }) /
                   static_cast<double>(n);
  const double divisor = weight_divisor(now), steps = weight_steps(quantizer);
  with_weight_rounding(quantizer, [&]<WeightRounding kRounding>() {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i)
      w_q[i] = weight_of_code(weight_code(tanh_w[i], divisor, steps, kRounding), steps,
                              now.mean_abs, kRounding);
  });
  *state = now;
}

void quantize_weights_backward(const double* tanh_w, const float* grad_q, float* grad_w,
                               std::int64_t n, const WeightQuantizer& quantizer,
                               const WeightQuantizerState& state) {
  if (n == 0) return;
  if (weight_rounding(quantizer) == WeightRounding::binary) {
    for (std::int64_t i = 0; i < n; ++i) grad_w[i] = grad_q[i];
    return;
  }
  const double inverse = 1.0 / weight_divisor(state);
  const double sum =
      ordered_sum(n, [&](std::int64_t i) { return static_cast<double>(grad_q[i]) * tanh_w[i]; });
  const auto of_maximum = static_cast<float>(weight_gradient_of_maximum(
      static_cast<double>(grad_q[state.argmax]), tanh_w[state.argmax], inverse, sum));
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i)
    grad_w[i] =
        static_cast<float>(weight_gradient(static_cast<double>(grad_q[i]), tanh_w[i], inverse));
  grad_w[state.argmax] = of_maximum;
}

void weight_codes(const double* tanh_w, std::int32_t* codes, std::int64_t n,
                  const WeightQuantizer& quantizer, const WeightQuantizerState& state) {
  const double divisor = weight_divisor(state), steps = weight_steps(quantizer);
  with_weight_rounding(quantizer, [&]<WeightRounding kRounding>() {
    for (std::int64_t i = 0; i < n; ++i)
      codes[i] = weight_code_number(weight_code(tanh_w[i], divisor, steps, kRounding), quantizer);
  });
}

}  // namespace bitsweep::kernels::BITSWEEP_VARIANT
