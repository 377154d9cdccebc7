// The loop of moments.h, compiled once per instruction set (BITSWEEP_VARIANT).
#include "kernels/cpu_loops.h"

namespace bitsweep::kernels::BITSWEEP_VARIANT {
namespace {

constexpr int kLanes = 8;

// Sum of term(x) over a channel: lane i % kLanes of each stretch, then the lanes in order. The
// order is part of the contract; it does not depend on the vector width.
template <class Term>
[[gnu::always_inline]] inline double channel_sum(const float* x, const ChannelLayout& layout,
                                                 std::int64_t channel, Term term) {
  double lanes[kLanes] = {};
  for (std::int64_t outer = 0; outer < layout.outer; ++outer) {
    const float* part = x + (outer * layout.channels + channel) * layout.inner;
    std::int64_t i = 0;
    for (; i + kLanes <= layout.inner; i += kLanes)
      for (int lane = 0; lane < kLanes; ++lane)
        lanes[lane] += term(static_cast<double>(part[i + lane]));
    for (int lane = 0; i < layout.inner; ++i, ++lane)
      lanes[lane] += term(static_cast<double>(part[i]));
  }
  double sum = 0.0;
  for (int lane = 0; lane < kLanes; ++lane) sum += lanes[lane];
  return sum;
}

}  // namespace

void moments(const float* x, const ChannelLayout& layout, Moments* out) {
  const auto n = static_cast<double>(layout.outer * layout.inner);
  for (std::int64_t channel = 0; channel < layout.channels; ++channel) {
    out[channel] = {};
    if (n == 0.0) continue;
    const double mean = channel_sum(x, layout, channel, [](double v) { return v; }) / n;
    const double squares =
        channel_sum(x, layout, channel, [mean](double v) { return (v - mean) * (v - mean); });
    const double absolute =
        channel_sum(x, layout, channel, [mean](double v) { return fabs(v - mean); });
    out[channel] = {mean, n > 1.0 ? sqrt(squares / (n - 1.0)) : 0.0 * mean, absolute / n};
  }
}

}  // namespace bitsweep::kernels::BITSWEEP_VARIANT
