// The output stage of integer_layers.h, for the loops that are compiled per instruction set: one
// block of channels of one pixel. Not for callers outside this folder.
#pragma once

#include "kernels/integer_layers.h"

namespace bitsweep::kernels {

// Codes of `n` channels from `at` on, as int32 without their offset.
BITSWEEP_FORMULA void load_codes(const CodePlane& plane, std::int64_t at, std::int64_t n,
                                 std::int32_t* out) {
  switch (plane.type) {
    case CodeType::u8:
      for (std::int64_t i = 0; i < n; ++i)
        out[i] = static_cast<const std::uint8_t*>(plane.data)[at + i] - plane.offset;
      return;
    case CodeType::s16:
      for (std::int64_t i = 0; i < n; ++i)
        out[i] = static_cast<const std::int16_t*>(plane.data)[at + i];
      return;
    case CodeType::s32:
      for (std::int64_t i = 0; i < n; ++i)
        out[i] = static_cast<const std::int32_t*>(plane.data)[at + i];
      return;
  }
}

BITSWEEP_FORMULA void store_codes(const CodePlane& plane, std::int64_t at, std::int64_t n,
                                  const std::int32_t* codes) {
  switch (plane.type) {
    case CodeType::u8:
      for (std::int64_t i = 0; i < n; ++i)
        static_cast<std::uint8_t*>(plane.data)[at + i] =
            static_cast<std::uint8_t>(codes[i] + plane.offset);
      return;
    case CodeType::s16:
      for (std::int64_t i = 0; i < n; ++i)
        static_cast<std::int16_t*>(plane.data)[at + i] = static_cast<std::int16_t>(codes[i]);
      return;
    case CodeType::s32:
      for (std::int64_t i = 0; i < n; ++i)
        static_cast<std::int32_t*>(plane.data)[at + i] = codes[i];
      return;
  }
}

// Writes channels first … first + 15 (as far as there are any) of pixel (y, x). `acc` is spent.
BITSWEEP_FORMULA void finish_block(const OutputStage& s, std::int64_t y, std::int64_t x,
                                   std::int64_t first, std::int32_t* __restrict acc) {
  std::int64_t sums[kChannelBlock];
  std::int32_t codes[kChannelBlock];
  if (s.input_shift > 0) {
    for (int j = 0; j < kChannelBlock; ++j)
      acc[j] = static_cast<std::int32_t>(shifted(acc[j], s.input_shift, FixedRounding::truncate));
  }
  const std::int32_t* __restrict multiplier = s.multiplier + first;
  const std::int32_t* __restrict offset = s.offset + first;
  for (int j = 0; j < kChannelBlock; ++j) sums[j] = offset[j];
  const std::int64_t left = s.channels - first;
  const std::int64_t n = left < kChannelBlock ? left : kChannelBlock;
  if (s.other.data != nullptr) {
    std::int32_t other[kChannelBlock] = {};
    const std::int64_t at = y * s.other.row + x * s.other.pixel + first;
    if (n == kChannelBlock) {
      load_codes(s.other, at, kChannelBlock, other);
    } else {
      load_codes(s.other, at, n, other);
    }
    for (int j = 0; j < kChannelBlock; ++j)
      sums[j] += static_cast<std::int64_t>(other[j]) * s.other_multiplier;
  }
  for (int j = 0; j < kChannelBlock; ++j)
    sums[j] = (sums[j] << s.added_shift) + static_cast<std::int64_t>(acc[j]) * multiplier[j];
  const Requantizer q = s.requantizer;
  if (q.rounding == FixedRounding::truncate) {
    for (int j = 0; j < kChannelBlock; ++j)
      codes[j] = clipped(shifted(sums[j], q.fraction_bits, FixedRounding::truncate), q.low, q.high);
  } else {
    for (int j = 0; j < kChannelBlock; ++j)
      codes[j] = clipped(shifted(sums[j], q.fraction_bits, FixedRounding::nearest), q.low, q.high);
  }
  const std::int64_t at = y * s.output.row + x * s.output.pixel + first;
  if (n == kChannelBlock) {
    store_codes(s.output, at, kChannelBlock, codes);
  } else {
    store_codes(s.output, at, n, codes);
  }
}

}  // namespace bitsweep::kernels
