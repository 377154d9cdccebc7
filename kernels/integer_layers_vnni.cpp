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

// The output stage of integer_stage.h in vector registers: two halves of 8 sums in 64 bits each.
class VectorStage {
 public:
  explicit VectorStage(const OutputStage& stage)
      : s_(stage),
        fraction_(_mm_cvtsi32_si128(stage.requantizer.fraction_bits)),
        added_(_mm_cvtsi32_si128(stage.added_shift)),
        last_(_mm512_set1_epi64((std::int64_t{1} << stage.requantizer.fraction_bits) - 1)),
        low_(_mm512_set1_epi64(stage.requantizer.low)),
        high_(_mm512_set1_epi64(stage.requantizer.high)) {}

  // finish_block().
  [[gnu::always_inline]] inline void finish(std::int64_t y, std::int64_t x, std::int64_t first,
                                            __m512i acc) const {
    if (s_.input_shift > 0) {
      alignas(64) std::int32_t sums[kChannelBlock];
      _mm512_store_si512(sums, acc);
      return finish_block(s_, y, x, first, sums);
    }
    const std::int64_t left = s_.channels - first;
    const auto lanes = static_cast<__mmask16>(left < kChannelBlock ? (1U << left) - 1 : 0xFFFFU);
    const __m512i multiplier = _mm512_loadu_si512(s_.multiplier + first);
    const __m512i offset = _mm512_loadu_si512(s_.offset + first);
    __m512i low = widened<0>(offset), high = widened<1>(offset);
    if (s_.other.data != nullptr) {
      const __m512i other = loaded(s_.other, y * s_.other.row + x * s_.other.pixel + first, lanes);
      const __m512i factor = _mm512_set1_epi64(s_.other_multiplier);
      low = _mm512_add_epi64(low, _mm512_mul_epi32(widened<0>(other), factor));
      high = _mm512_add_epi64(high, _mm512_mul_epi32(widened<1>(other), factor));
    }
    low = with_products(low, widened<0>(acc), widened<0>(multiplier));
    high = with_products(high, widened<1>(acc), widened<1>(multiplier));
    const __m512i codes =
        _mm512_inserti64x4(_mm512_castsi256_si512(code_of(low)), code_of(high), 1);
    store(s_.output, y * s_.output.row + x * s_.output.pixel + first, lanes, codes);
  }

 private:
  template <int kHalf>
  [[gnu::always_inline]] static inline __m512i widened(__m512i v) {
    return _mm512_cvtepi32_epi64(_mm512_extracti64x4_epi64(v, kHalf));
  }

  [[gnu::always_inline]] inline __m512i with_products(__m512i added, __m512i acc,
                                                      __m512i multiplier) const {
    return _mm512_add_epi64(_mm512_sll_epi64(added, added_), _mm512_mul_epi32(acc, multiplier));
  }

  // kernels::requantized().
  [[gnu::always_inline]] inline __m256i code_of(__m512i sum) const {
    __m512i up;
    if (s_.requantizer.rounding == FixedRounding::truncate) {
      up = _mm512_and_si512(_mm512_srai_epi64(sum, 63), last_);
    } else {
      const __m512i odd = _mm512_and_si512(_mm512_sra_epi64(sum, fraction_),
                                           _mm512_and_si512(last_, _mm512_set1_epi64(1)));
      up = _mm512_add_epi64(_mm512_srli_epi64(last_, 1), odd);
    }
    const __m512i code = _mm512_sra_epi64(_mm512_add_epi64(sum, up), fraction_);
    return _mm512_cvtepi64_epi32(_mm512_min_epi64(_mm512_max_epi64(code, low_), high_));
  }

  // load_codes().
  [[gnu::always_inline]] static inline __m512i loaded(const CodePlane& plane, std::int64_t at,
                                                      __mmask16 lanes) {
    switch (plane.type) {
      case CodeType::u8:
        return _mm512_sub_epi32(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(
                                    lanes, static_cast<const std::uint8_t*>(plane.data) + at)),
                                _mm512_set1_epi32(plane.offset));
      case CodeType::s16:
        return _mm512_cvtepi16_epi32(
            _mm256_maskz_loadu_epi16(lanes, static_cast<const std::int16_t*>(plane.data) + at));
      case CodeType::s32:
        break;
    }
    return _mm512_maskz_loadu_epi32(lanes, static_cast<const std::int32_t*>(plane.data) + at);
  }

  // store_codes().
  [[gnu::always_inline]] static inline void store(const CodePlane& plane, std::int64_t at,
                                                  __mmask16 lanes, __m512i codes) {
    switch (plane.type) {
      case CodeType::u8:
        codes = _mm512_add_epi32(codes, _mm512_set1_epi32(plane.offset));
        _mm512_mask_cvtepi32_storeu_epi8(static_cast<std::uint8_t*>(plane.data) + at, lanes, codes);
        return;
      case CodeType::s16:
        _mm512_mask_cvtepi32_storeu_epi16(static_cast<std::int16_t*>(plane.data) + at, lanes,
                                          codes);
        return;
      case CodeType::s32:
        _mm512_mask_storeu_epi32(static_cast<std::int32_t*>(plane.data) + at, lanes, codes);
        return;
    }
  }

  const OutputStage& s_;
  __m128i fraction_, added_;
  __m512i last_, low_, high_;
};

// Pixels x … x + kPixels − 1 of row y, blocks first … first + kBlocks − 1 of 16 channels.
template <bool kBytes, int kPixels, int kBlocks>
[[gnu::always_inline]] inline void tile(const Convolution& c, const VectorStage& stage,
                                        std::int64_t y, std::int64_t x, std::int64_t block) {
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
      stage.finish(y, x + p, (block + b) * kChannelBlock, acc[p][b]);
    }
  }
}

template <bool kBytes, int kBlocks>
void rows(const Convolution& c, std::int64_t block) {
  const VectorStage stage(c.stage);
  for (std::int64_t y = 0; y < c.height; ++y) {
    std::int64_t x = 0;
    for (; x + 8 <= c.width; x += 8) tile<kBytes, 8, kBlocks>(c, stage, y, x, block);
    for (; x + 4 <= c.width; x += 4) tile<kBytes, 4, kBlocks>(c, stage, y, x, block);
    for (; x < c.width; ++x) tile<kBytes, 1, kBlocks>(c, stage, y, x, block);
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
