// Fake quantization, real quantization to integer codes, and back, on one grid or one per channel.
#pragma once

#include <cstdint>

#include "kernels/fake_quantize_math.h"
#include "kernels/layout.h"
#include "kernels/philox_math.h"
#include "kernels/stream.h"

namespace bitsweep::kernels {

// Words of a mask that describes n elements, one bit each.
constexpr std::int64_t mask_words(std::int64_t n) { return (n + 31) / 32; }

// ---- CPU. On the calling thread; the same bits for every instruction set and every slicing. ----

// y[i] = dequantize(clamped_code(x[i])) on the grid of i's channel; bit i % 32 of mask[i / 32] is 1
// where x[i] lay within the grid.
//
// x, y: [layout] float32; they may be the same array, not overlap otherwise.
// mask: [mask_words(layout.size())], or nullptr when no gradient is wanted; bits past the end are
// 0. grids: [layout.channels]. NaN becomes qmin (docs/numerics.md); refuse it earlier where it
// matters.
void fake_quantize_cpu(const float* x, float* y, std::uint32_t* mask, const ChannelLayout& layout,
                       const AffineGrid* grids, Rounding rounding = {}, Slice slice = {});

// The same with one grid for all n elements.
void fake_quantize_cpu(const float* x, float* y, std::uint32_t* mask, std::int64_t n,
                       const AffineGrid& grid, Rounding rounding = {});

// Stochastic rounding: element i uses the 32 bits of draw i of `random`.
void fake_quantize_stochastic_cpu(const float* x, float* y, std::uint32_t* mask,
                                  const ChannelLayout& layout, const AffineGrid* grids,
                                  const RandomStream& random, Slice slice = {});

// codes[i] = clamped_code(x[i]) as an integer. Every code of every grid must fit the type, and no
// grid may have scale 0. Instantiated for std::int8_t, std::uint8_t, std::int32_t.
template <class Code>
void quantize_cpu(const float* x, Code* codes, const ChannelLayout& layout, const AffineGrid* grids,
                  Rounding rounding = {}, Slice slice = {});

// y[i] = dequantize(codes[i]); the same types.
template <class Code>
void dequantize_cpu(const Code* codes, float* y, const ChannelLayout& layout,
                    const AffineGrid* grids, Slice slice = {});

// ---- CUDA. As above; every array, grids included, in memory of the stream's device (the null
// stream: the current device). Return when the work is queued. Throw CudaError (kernels/error.h),
// also in a build without CUDA. ----

void fake_quantize_cuda(const float* x, float* y, std::uint32_t* mask, const ChannelLayout& layout,
                        const AffineGrid* grids, Rounding rounding, Stream stream);

// One grid, by value: nothing to upload.
void fake_quantize_cuda(const float* x, float* y, std::uint32_t* mask, std::int64_t n,
                        const AffineGrid& grid, Rounding rounding, Stream stream);

void fake_quantize_stochastic_cuda(const float* x, float* y, std::uint32_t* mask,
                                   const ChannelLayout& layout, const AffineGrid* grids,
                                   const RandomStream& random, Stream stream);

void quantize_cuda(const float* x, std::int32_t* codes, const ChannelLayout& layout,
                   const AffineGrid* grids, Rounding rounding, Stream stream);

}  // namespace bitsweep::kernels
