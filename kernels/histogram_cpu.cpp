// The loop of histogram.h, compiled once per instruction set (BITSWEEP_VARIANT).
#include "kernels/cpu_loops.h"

namespace bitsweep::kernels::BITSWEEP_VARIANT {
namespace {

// Neighbours often share a bin. A counter is busy for some cycles after each increment, so they
// count into copies of their own.
constexpr int kCopies = 4;
using Copies = std::uint32_t[kCopies][kHistogramBins];

[[gnu::always_inline]] inline void count(const float* __restrict x, std::int64_t n,
                                         HistogramBins bins, Copies& copies) {
  std::int32_t index[kHistogramBlock];
  if (n == kHistogramBlock) {
    for (std::int64_t i = 0; i < kHistogramBlock; ++i) index[i] = bin_of(x[i], bins);
    for (std::int64_t i = 0; i < kHistogramBlock; i += kCopies)
      for (int copy = 0; copy < kCopies; ++copy) ++copies[copy][index[i + copy]];
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) ++copies[i % kCopies][bin_of(x[i], bins)];
}

}  // namespace

void histogram(const float* x, const ChannelLayout& layout, const HistogramBins* bins,
               std::int64_t stride, std::uint32_t* counts) {
  for (std::int64_t channel = 0; channel < layout.channels; ++channel) {
    Copies copies = {};
    std::int64_t until_counted = 0;  // blocks
    for (std::int64_t outer = 0; outer < layout.outer; ++outer) {
      const float* part = x + (outer * layout.channels + channel) * layout.inner;
      for (std::int64_t begin = 0; begin < layout.inner; begin += kHistogramBlock) {
        if (until_counted-- > 0) continue;
        until_counted = stride - 1;
        const std::int64_t left = layout.inner - begin;
        count(part + begin, left < kHistogramBlock ? left : kHistogramBlock, bins[channel], copies);
      }
    }
    std::uint32_t* out = counts + channel * kHistogramBins;
    for (int i = 0; i < kHistogramBins; ++i)
      for (int copy = 0; copy < kCopies; ++copy) out[i] += copies[copy][i];
  }
}

}  // namespace bitsweep::kernels::BITSWEEP_VARIANT
