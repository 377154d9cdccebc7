// The CPU entry points: resolve the slice, pick the loop for this processor.
#include <stdexcept>

#include "kernels/cpu_loops.h"
#include "kernels/fake_quantize.h"
#include "kernels/histogram.h"
#include "kernels/min_max.h"
#include "kernels/optimizer.h"
#include "kernels/softmax_loss.h"

namespace bitsweep::kernels {
namespace {

Slice resolved(Slice slice, const ChannelLayout& layout) {
  if (slice.end == Slice::kToTheEnd) slice.end = layout.size();
  if (slice.begin < 0 || slice.begin > slice.end || slice.end > layout.size())
    throw std::invalid_argument("kernels: a slice lies outside its array");
  return slice;
}

Slice resolved_for_mask(Slice slice, const ChannelLayout& layout, const std::uint32_t* mask) {
  if (mask != nullptr && slice.begin % 32 != 0)
    throw std::invalid_argument("kernels: a slice that writes a mask begins inside a mask word");
  return resolved(slice, layout);
}

}  // namespace

void fake_quantize_cpu(const float* x, float* y, std::uint32_t* mask, const ChannelLayout& layout,
                       const AffineGrid* grids, Rounding rounding, Slice slice) {
  slice = resolved_for_mask(slice, layout, mask);
  if (slice.begin == slice.end) return;
  pick(&baseline::fake_quantize, &x86_64_v3::fake_quantize, &x86_64_v4::fake_quantize)(
      x, y, mask, layout, grids, rounding, slice);
}

void fake_quantize_cpu(const float* x, float* y, std::uint32_t* mask, std::int64_t n,
                       const AffineGrid& grid, Rounding rounding) {
  fake_quantize_cpu(x, y, mask, whole_tensor(n), &grid, rounding);
}

void fake_quantize_stochastic_cpu(const float* x, float* y, std::uint32_t* mask,
                                  const ChannelLayout& layout, const AffineGrid* grids,
                                  const RandomStream& random, Slice slice) {
  slice = resolved_for_mask(slice, layout, mask);
  if (slice.begin == slice.end) return;
  pick(&baseline::fake_quantize_stochastic, &x86_64_v3::fake_quantize_stochastic,
       &x86_64_v4::fake_quantize_stochastic)(x, y, mask, layout, grids, random, slice);
}

template <class Code>
void quantize_cpu(const float* x, Code* codes, const ChannelLayout& layout, const AffineGrid* grids,
                  Rounding rounding, Slice slice) {
  using Loop = void(const float*, Code*, const ChannelLayout&, const AffineGrid*, Rounding, Slice);
  slice = resolved(slice, layout);
  if (slice.begin == slice.end) return;
  pick<Loop>(&baseline::quantize, &x86_64_v3::quantize, &x86_64_v4::quantize)(
      x, codes, layout, grids, rounding, slice);
}
template void quantize_cpu(const float*, std::int8_t*, const ChannelLayout&, const AffineGrid*,
                           Rounding, Slice);
template void quantize_cpu(const float*, std::uint8_t*, const ChannelLayout&, const AffineGrid*,
                           Rounding, Slice);
template void quantize_cpu(const float*, std::int32_t*, const ChannelLayout&, const AffineGrid*,
                           Rounding, Slice);

template <class Code>
void dequantize_cpu(const Code* codes, float* y, const ChannelLayout& layout,
                    const AffineGrid* grids, Slice slice) {
  using Loop = void(const Code*, float*, const ChannelLayout&, const AffineGrid*, Slice);
  slice = resolved(slice, layout);
  if (slice.begin == slice.end) return;
  pick<Loop>(&baseline::dequantize, &x86_64_v3::dequantize, &x86_64_v4::dequantize)(
      codes, y, layout, grids, slice);
}
template void dequantize_cpu(const std::int8_t*, float*, const ChannelLayout&, const AffineGrid*,
                             Slice);
template void dequantize_cpu(const std::uint8_t*, float*, const ChannelLayout&, const AffineGrid*,
                             Slice);
template void dequantize_cpu(const std::int32_t*, float*, const ChannelLayout&, const AffineGrid*,
                             Slice);

void min_max_cpu(const float* x, const ChannelLayout& layout, MinMax* out) {
  pick(&baseline::min_max, &x86_64_v3::min_max, &x86_64_v4::min_max)(x, layout, out);
}

MinMax min_max_cpu(const float* x, std::int64_t n) {
  MinMax result;
  min_max_cpu(x, whole_tensor(n), &result);
  return result;
}

void moments_cpu(const float* x, const ChannelLayout& layout, Moments* out) {
  pick(&baseline::moments, &x86_64_v3::moments, &x86_64_v4::moments)(x, layout, out);
}

void histogram_cpu(const float* x, const ChannelLayout& layout, const HistogramBins* bins,
                   std::int64_t stride, std::uint32_t* counts) {
  if (stride < 1) throw std::invalid_argument("kernels: a histogram's stride is below 1");
  pick(&baseline::histogram, &x86_64_v3::histogram, &x86_64_v4::histogram)(x, layout, bins, stride,
                                                                           counts);
}

void sgd_step_cpu(float* parameters, float* momenta, const float* gradients, std::int64_t n,
                  const SgdOptions& options, const float* lr) {
  pick(&baseline::sgd_step, &x86_64_v3::sgd_step, &x86_64_v4::sgd_step)(parameters, momenta,
                                                                        gradients, n, options, *lr);
}

void adam_step_cpu(float* parameters, float* first_moments, float* second_moments,
                   const float* gradients, std::int64_t n, const AdamOptions& options,
                   const float* lr, const std::int64_t* step) {
  pick(&baseline::adam_step, &x86_64_v3::adam_step, &x86_64_v4::adam_step)(
      parameters, first_moments, second_moments, gradients, n, adam_step_of(options, *lr, *step));
}

void softmax_loss_cpu(const float* logits, const std::int32_t* labels, std::int64_t rows,
                      std::int64_t classes, double smoothing, float* grad, LossSum* out) {
  pick(&baseline::softmax_loss, &x86_64_v3::softmax_loss, &x86_64_v4::softmax_loss)(
      logits, labels, rows, classes, smoothing, grad, out);
}

}  // namespace bitsweep::kernels
