// The loops of gradient_quantizer.h, compiled once per instruction set (BITSWEEP_VARIANT).
#include "kernels/cpu_loops.h"

namespace bitsweep::kernels::BITSWEEP_VARIANT {
namespace {

template <class NoiseOf>
[[gnu::always_inline]] inline void each_sample(const float* g, float* g_q,
                                               const ChannelLayout& layout, const MinMax* extremes,
                                               const GradientQuantizer& quantizer,
                                               NoiseOf noise_of) {
  for (std::int64_t begin = 0; begin < layout.size(); begin += layout.inner) {
    const MinMax sample = extremes[begin / layout.inner % layout.channels];
#pragma GCC ivdep
    for (std::int64_t i = begin; i < begin + layout.inner; ++i)
      g_q[i] = quantized_gradient(g[i], noise_of(i), sample, quantizer);
  }
}

}  // namespace

void quantize_gradients(const float* g, float* g_q, const float* noise, const ChannelLayout& layout,
                        const MinMax* extremes, const GradientQuantizer& quantizer) {
  each_sample(g, g_q, layout, extremes, quantizer, [noise](std::int64_t i) { return noise[i]; });
}

void quantize_gradients(const float* g, float* g_q, const RandomStream& random,
                        const ChannelLayout& layout, const MinMax* extremes,
                        const GradientQuantizer& quantizer) {
  each_sample(g, g_q, layout, extremes, quantizer, [&random](std::int64_t i) {
    return gradient_noise(random, static_cast<std::uint64_t>(i));
  });
}

}  // namespace bitsweep::kernels::BITSWEEP_VARIANT
