// convolve() of integer_layers.h with the dot products of AVX512-VNNI: a tile of pixels and blocks
// of channels stays in registers over all taps, so that each load feeds several products.
#include <immintrin.h>

#include "kernels/integer_loops.h"
#include "kernels/integer_stage.h"

namespace bitsweep::kernels::vnni {
namespace {

// 4 codes of 8 bits, or 2 of 16, times their weights, added to each lane.
template <bool kBytes>
[[gnu::always_inline]] inline __m512i dot(__m512i acc, __m512i codes, __m512i weights) {
  return kBytes ? _mm512_dpbusd_epi32(acc, codes, weights)
                : _mm512_dpwssd_epi32(acc, codes, weights);
}

// Pixels x … x + kPixels − 1 of row y, blocks first … first + kBlocks − 1 of 16 channels.
template <bool kBytes, int kPixels, int kBlocks>
[[gnu::always_inline]] inline void tile(const Convolution& c, std::int64_t y, std::int64_t x,
                                        std::int64_t block) {
  constexpr std::int64_t kCode = kBytes ? 1 : 2;  // bytes of a code; 4 bytes are read at once
  const std::int64_t steps = c.depth * kCode / 4;
  const std::int64_t block_steps = steps * c.kernel_height * c.kernel_width;
  const auto* weights = static_cast<const __m512i*>(c.weights) + block * block_steps;
  __m512i acc[kPixels][kBlocks];
  for (int b = 0; b < kBlocks; ++b) {
    const __m512i start = _mm512_loadu_si512(c.start + (block + b) * kChannelBlock);
    for (int p = 0; p < kPixels; ++p) acc[p][b] = start;
  }
  const std::int64_t pixel = c.stride_x * c.input.pixel * kCode;
  const char* input =
      static_cast<const char*>(c.input.data) + (y * c.stride_y * c.input.row) * kCode + x * pixel;
  for (int ky = 0; ky < c.kernel_height; ++ky) {
    for (int kx = 0; kx < c.kernel_width; ++kx) {
      const char* from =
          input + (ky * c.dilation_y * c.input.row + kx * c.dilation_x * c.input.pixel) * kCode;
      for (std::int64_t d = 0; d < steps; ++d, ++weights, from += 4) {
        __m512i w[kBlocks];
        for (int b = 0; b < kBlocks; ++b) w[b] = _mm512_loadu_si512(weights + b * block_steps);
        for (int p = 0; p < kPixels; ++p) {
          std::int32_t codes;
          __builtin_memcpy(&codes, from + p * pixel, sizeof(codes));
          const __m512i spread = _mm512_set1_epi32(codes);
          for (int b = 0; b < kBlocks; ++b) acc[p][b] = dot<kBytes>(acc[p][b], spread, w[b]);
        }
      }
    }
  }
  for (int p = 0; p < kPixels; ++p) {
    for (int b = 0; b < kBlocks; ++b) {
      alignas(64) std::int32_t sums[kChannelBlock];
      _mm512_store_si512(sums, acc[p][b]);
      finish_block(c.stage, y, x + p, (block + b) * kChannelBlock, sums);
    }
  }
}

template <bool kBytes, int kBlocks>
void rows(const Convolution& c, std::int64_t block) {
  for (std::int64_t y = 0; y < c.height; ++y) {
    std::int64_t x = 0;
    for (; x + 8 <= c.width; x += 8) tile<kBytes, 8, kBlocks>(c, y, x, block);
    for (; x + 4 <= c.width; x += 4) tile<kBytes, 4, kBlocks>(c, y, x, block);
    for (; x < c.width; ++x) tile<kBytes, 1, kBlocks>(c, y, x, block);
  }
}

template <bool kBytes>
void convolve_all(const Convolution& c) {
  const std::int64_t blocks = (c.stage.channels + kChannelBlock - 1) / kChannelBlock;
  std::int64_t block = 0;
  for (; block + 2 <= blocks; block += 2) rows<kBytes, 2>(c, block);
  for (; block < blocks; ++block) rows<kBytes, 1>(c, block);
}

}  // namespace

void convolve(const Convolution& c) {
  if (c.input.type == CodeType::u8) {
    convolve_all<true>(c);
  } else {
    convolve_all<false>(c);
  }
}

}  // namespace bitsweep::kernels::vnni
