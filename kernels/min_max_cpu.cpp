// The loop of min_max.h, compiled once per instruction set (BITSWEEP_VARIANT).
#include "kernels/cpu_loops.h"

namespace bitsweep::kernels::BITSWEEP_VARIANT {
namespace {

// Lanes that run apart and are merged at the end: a minimum does not depend on order, and without
// lanes the compiler would have to keep the order of a single chain.
constexpr int kLanes = 32;

MinMax extremes(const float* x, std::int64_t n) {
  float low[kLanes], high[kLanes];
  std::uint32_t nan[kLanes];
  for (int lane = 0; lane < kLanes; ++lane) {
    low[lane] = HUGE_VALF;
    high[lane] = -HUGE_VALF;
    nan[lane] = 0;
  }
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int lane = 0; lane < kLanes; ++lane) {
      const MinMax now = include({low[lane], high[lane], nan[lane]}, x[i + lane]);
      low[lane] = now.min;
      high[lane] = now.max;
      nan[lane] = now.has_nan;
    }
  MinMax result;
  for (int lane = 0; lane < kLanes; ++lane)
    result = merge(result, {low[lane], high[lane], nan[lane]});
  for (; i < n; ++i) result = include(result, x[i]);
  return result;
}

}  // namespace

void min_max(const float* x, const ChannelLayout& layout, MinMax* out) {
  for (std::int64_t channel = 0; channel < layout.channels; ++channel) {
    MinMax result;
    for (std::int64_t outer = 0; outer < layout.outer; ++outer)
      result = merge(
          result, extremes(x + (outer * layout.channels + channel) * layout.inner, layout.inner));
    out[channel] = result;
  }
}

}  // namespace bitsweep::kernels::BITSWEEP_VARIANT
