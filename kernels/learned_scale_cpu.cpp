// The loops of learned_scale.h, compiled once per instruction set (BITSWEEP_VARIANT).
#include "kernels/cpu_loops.h"
#include "kernels/ordered_sum.h"

namespace bitsweep::kernels::BITSWEEP_VARIANT {
namespace {

// The first element of a stretch that lies in one channel.
std::int64_t start_of(const ChannelLayout& layout, std::int64_t outer, std::int64_t channel) {
  return (outer * layout.channels + channel) * layout.inner;
}

// Σ grad_y[i] · slope(x[i]) over a channel: stretch by stretch, each in the order of ordered_sum.
template <class Slope>
[[gnu::always_inline]] inline double channel_sum(const float* x, const float* grad_y,
                                                 const ChannelLayout& layout, std::int64_t channel,
                                                 Slope slope) {
  double sum = 0.0;
  for (std::int64_t outer = 0; outer < layout.outer; ++outer) {
    const std::int64_t start = start_of(layout, outer, channel);
    sum += ordered_sum(layout.inner, [&](std::int64_t i) {
      return static_cast<double>(grad_y[start + i]) * slope(x[start + i]);
    });
  }
  return sum;
}

// grad_x of a channel, and the sum that its scale gets.
template <class RoundingOf>
[[gnu::always_inline]] inline double channel_backward(const float* x, const float* grad_y,
                                                      float* grad_x, const ChannelLayout& layout,
                                                      std::int64_t channel, const AffineGrid& grid,
                                                      RoundingOf rounding) {
  const double grad_scale = channel_sum(x, grad_y, layout, channel,
                                        [&](float v) { return scale_slope(v, grid, rounding()); });
  for (std::int64_t outer = 0; outer < layout.outer; ++outer) {
    const std::int64_t start = start_of(layout, outer, channel);
#pragma GCC ivdep
    for (std::int64_t i = start; i < start + layout.inner; ++i)
      grad_x[i] = through_grid(grad_y[i], x[i], grid, rounding());
  }
  return grad_scale;
}

// Rounding as a compile-time constant for the two that scales are learned with; both add the zero
// point after rounding.
template <class F>
[[gnu::always_inline]] inline void with_learned_rounding(Rounding rounding, F f) {
  if (rounding == Rounding{})
    f([] { return Rounding{}; });
  else if (rounding == kTorchRounding)
    f([] { return kTorchRounding; });
  else
    f([rounding] { return rounding; });
}

}  // namespace

void learned_scale_backward(const float* x, const float* grad_y, float* grad_x,
                            const ChannelLayout& layout, const AffineGrid* grids, Rounding asked,
                            double factor, double* grad_scale, double* grad_zero_point) {
  with_learned_rounding(asked, [&](auto rounding) {
    for (std::int64_t channel = 0; channel < layout.channels; ++channel) {
      const AffineGrid grid = grids[channel];
      if (grad_zero_point != nullptr)
        grad_zero_point[channel] = factor * channel_sum(x, grad_y, layout, channel, [&](float v) {
                                     return zero_point_slope(v, grid, rounding());
                                   });
      grad_scale[channel] =
          factor * channel_backward(x, grad_y, grad_x, layout, channel, grid, rounding);
    }
  });
}

void max_abs_grids(const float* w, const ChannelLayout& layout, int bits, MaxAbs* max_abs,
                   AffineGrid* grids) {
  for (std::int64_t channel = 0; channel < layout.channels; ++channel) {
    MaxAbs largest{0.0f, start_of(layout, 0, channel)};
    for (std::int64_t outer = 0; outer < layout.outer; ++outer) {
      const std::int64_t start = start_of(layout, outer, channel);
      for (std::int64_t i = start; i < start + layout.inner; ++i)
        if (fabsf(w[i]) > largest.value) largest = {fabsf(w[i]), i};
    }
    max_abs[channel] = largest;
    grids[channel] = max_abs_grid(largest, bits);
  }
}

void max_abs_backward(const float* w, const float* grad_y, float* grad_w,
                      const ChannelLayout& layout, const MaxAbs* max_abs, const AffineGrid* grids) {
  if (layout.outer * layout.inner == 0) return;
  for (std::int64_t channel = 0; channel < layout.channels; ++channel) {
    const AffineGrid grid = grids[channel];
    const std::int64_t at = max_abs[channel].at;
    const float through = through_grid(grad_y[at], w[at], grid, Rounding{});  // before grad_w
    const double grad_scale =
        channel_backward(w, grad_y, grad_w, layout, channel, grid, [] { return Rounding{}; });
    grad_w[at] = static_cast<float>(static_cast<double>(through) +
                                    max_abs_gradient(grad_scale, w[at], grid));
  }
}

}  // namespace bitsweep::kernels::BITSWEEP_VARIANT
