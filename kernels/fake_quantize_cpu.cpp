// The loops of fake_quantize.h, compiled once per instruction set (BITSWEEP_VARIANT). Dull on
// purpose: at -O3 the compiler vectorises them to the speed of a copy. No standard-library
// templates here (kernels/formula.h says why).
#include "kernels/cpu_loops.h"

namespace bitsweep::kernels::BITSWEEP_VARIANT {
namespace {

constexpr std::int64_t kWord = 32;  // elements that a mask word describes

// Calls run(begin, end, grid) for each stretch of the slice that lies in one channel.
template <class Run>
[[gnu::always_inline]] inline void for_each_run(const ChannelLayout& layout,
                                                const AffineGrid* grids, Slice slice, Run run) {
  if (layout.channels == 1) return run(slice.begin, slice.end, grids[0]);
  std::int64_t channel = slice.begin / layout.inner % layout.channels;
  for (std::int64_t begin = slice.begin; begin < slice.end;) {
    const std::int64_t next = (begin / layout.inner + 1) * layout.inner;
    const std::int64_t end = next < slice.end ? next : slice.end;
    run(begin, end, grids[channel]);
    channel = channel + 1 == layout.channels ? 0 : channel + 1;
    begin = end;
  }
}

// Fewer than kWord elements, the first at bit i % kWord of its mask word, all in one word. The word
// is shared with the runs before and after; whoever has bit 0 writes it first.
template <class CodeOf>
[[gnu::always_inline]] inline void part_of_word(const float* x, float* y, std::uint32_t* mask,
                                                std::int64_t begin, std::int64_t end,
                                                const AffineGrid& grid, CodeOf code_of) {
  std::uint32_t bits = 0;
  for (std::int64_t i = begin; i < end; ++i) {
    const FakeQuantized result = fake_quantized(x[i], code_of(x[i], i), grid);
    y[i] = result.y;
    bits |= result.passes << (i % kWord);
  }
  mask[begin / kWord] = begin % kWord == 0 ? bits : mask[begin / kWord] | bits;
}

// Elements [begin, end) of one channel. ivdep: x and y are one array or do not overlap; without it
// an in-place call would fail the compiler's overlap check and run its scalar loop.
template <class CodeOf>
[[gnu::always_inline]] inline void fake_quantize_run(const float* x, float* y, std::uint32_t* mask,
                                                     std::int64_t begin, std::int64_t end,
                                                     AffineGrid grid, CodeOf code_of) {
  if (mask == nullptr) {
#pragma GCC ivdep
    for (std::int64_t i = begin; i < end; ++i)
      y[i] = fake_quantized(x[i], code_of(x[i], i), grid).y;
    return;
  }
  const std::int64_t aligned = (begin + kWord - 1) / kWord * kWord;
  const std::int64_t head_end = aligned < end ? aligned : end;
  if (begin < head_end) part_of_word(x, y, mask, begin, head_end, grid, code_of);
  std::int64_t word_begin = head_end;
  for (; word_begin + kWord <= end; word_begin += kWord) {
    std::uint32_t bits = 0;
#pragma GCC ivdep
    for (int i = 0; i < kWord; ++i) {
      const float value = x[word_begin + i];
      const FakeQuantized result = fake_quantized(value, code_of(value, word_begin + i), grid);
      bits |= result.passes << i;
      y[word_begin + i] = result.y;
    }
    mask[word_begin / kWord] = bits;
  }
  if (word_begin < end) part_of_word(x, y, mask, word_begin, end, grid, code_of);
}

// Calls f with the rounding as a compile-time constant, so that no loop branches on it.
template <Ties kTies, Scaling kScaling, class F>
[[gnu::always_inline]] inline void with_zero_point_order(ZeroPointOrder order, F f) {
  if (order == ZeroPointOrder::after_rounding)
    f.template operator()<Rounding{kTies, kScaling, ZeroPointOrder::after_rounding}>();
  else
    f.template operator()<Rounding{kTies, kScaling, ZeroPointOrder::before_rounding}>();
}

template <Ties kTies, class F>
[[gnu::always_inline]] inline void with_scaling(Rounding rounding, F f) {
  if (rounding.scaling == Scaling::divide)
    with_zero_point_order<kTies, Scaling::divide>(rounding.zero_point, f);
  else
    with_zero_point_order<kTies, Scaling::reciprocal>(rounding.zero_point, f);
}

template <class F>
[[gnu::always_inline]] inline void with_rounding(Rounding rounding, F f) {
  if (rounding.ties == Ties::even)
    with_scaling<Ties::even>(rounding, f);
  else
    with_scaling<Ties::away>(rounding, f);
}

template <class Code>
[[gnu::always_inline]] inline void quantize_loop(const float* x, Code* codes,
                                                 const ChannelLayout& layout,
                                                 const AffineGrid* grids, Rounding rounding,
                                                 Slice slice) {
  with_rounding(rounding, [&]<Rounding kRounding>() {
    for_each_run(layout, grids, slice, [&](std::int64_t begin, std::int64_t end, AffineGrid grid) {
      for (std::int64_t i = begin; i < end; ++i)
        codes[i] = static_cast<Code>(
            static_cast<std::int32_t>(clamped_code(unclamped_code(x[i], grid, kRounding), grid)));
    });
  });
}

template <class Code>
[[gnu::always_inline]] inline void dequantize_loop(const Code* codes, float* y,
                                                   const ChannelLayout& layout,
                                                   const AffineGrid* grids, Slice slice) {
  for_each_run(layout, grids, slice, [&](std::int64_t begin, std::int64_t end, AffineGrid grid) {
    for (std::int64_t i = begin; i < end; ++i)
      y[i] = kernels::dequantize(static_cast<float>(codes[i]), grid);
  });
}

}  // namespace

void fake_quantize(const float* x, float* y, std::uint32_t* mask, const ChannelLayout& layout,
                   const AffineGrid* grids, Rounding rounding, Slice slice) {
  with_rounding(rounding, [&]<Rounding kRounding>() {
    for_each_run(layout, grids, slice, [&](std::int64_t begin, std::int64_t end, AffineGrid grid) {
      fake_quantize_run(x, y, mask, begin, end, grid,
                        [&](float v, std::int64_t) { return unclamped_code(v, grid, kRounding); });
    });
  });
}

void fake_quantize_stochastic(const float* x, float* y, std::uint32_t* mask,
                              const ChannelLayout& layout, const AffineGrid* grids,
                              const RandomStream& random, Slice slice) {
  for_each_run(layout, grids, slice, [&](std::int64_t begin, std::int64_t end, AffineGrid grid) {
    fake_quantize_run(x, y, mask, begin, end, grid, [&](float v, std::int64_t i) {
      return unclamped_code_stochastic(v, grid, random_bits(random, static_cast<std::uint64_t>(i)));
    });
  });
}

void quantize(const float* x, std::int8_t* codes, const ChannelLayout& layout,
              const AffineGrid* grids, Rounding rounding, Slice slice) {
  quantize_loop(x, codes, layout, grids, rounding, slice);
}
void quantize(const float* x, std::uint8_t* codes, const ChannelLayout& layout,
              const AffineGrid* grids, Rounding rounding, Slice slice) {
  quantize_loop(x, codes, layout, grids, rounding, slice);
}
void quantize(const float* x, std::int32_t* codes, const ChannelLayout& layout,
              const AffineGrid* grids, Rounding rounding, Slice slice) {
  quantize_loop(x, codes, layout, grids, rounding, slice);
}

void dequantize(const std::int8_t* codes, float* y, const ChannelLayout& layout,
                const AffineGrid* grids, Slice slice) {
  dequantize_loop(codes, y, layout, grids, slice);
}
void dequantize(const std::uint8_t* codes, float* y, const ChannelLayout& layout,
                const AffineGrid* grids, Slice slice) {
  dequantize_loop(codes, y, layout, grids, slice);
}
void dequantize(const std::int32_t* codes, float* y, const ChannelLayout& layout,
                const AffineGrid* grids, Slice slice) {
  dequantize_loop(codes, y, layout, grids, slice);
}

}  // namespace bitsweep::kernels::BITSWEEP_VARIANT
