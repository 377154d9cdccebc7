// The layers of integer networks on one image (document 002, facts A.9): convolutions of 8-bit and
// 16-bit codes with int32 accumulators and the requantization fused behind them. Codes lie with
// channels innermost and rows padded by the caller. CPU alone. The formulas: fixed_point_math.h;
// the same codes on every instruction set, and as plain loops over int64 give.
#pragma once

#include <cstdint>

#include "kernels/fixed_point_math.h"

namespace bitsweep::kernels {

enum class CodeType : std::uint8_t { u8, s16, s32 };

// Codes of one image, [height][width][channels]; what is stored is code + offset. Strides are in
// elements. nullptr: none.
struct CodePlane {
  void* data = nullptr;
  CodeType type = CodeType::s32;
  std::int32_t offset = 0;
  std::int64_t row = 0;
  std::int64_t pixel = 0;
};

// The code `at` elements on, and to put one there.
BITSWEEP_FORMULA std::int32_t code_at(const CodePlane& plane, std::int64_t at) {
  switch (plane.type) {
    case CodeType::u8:
      return static_cast<const std::uint8_t*>(plane.data)[at] - plane.offset;
    case CodeType::s16:
      return static_cast<const std::int16_t*>(plane.data)[at];
    case CodeType::s32:
      return static_cast<const std::int32_t*>(plane.data)[at];
  }
  __builtin_unreachable();
}
BITSWEEP_FORMULA void set_code(const CodePlane& plane, std::int64_t at, std::int32_t code) {
  switch (plane.type) {
    case CodeType::u8:
      static_cast<std::uint8_t*>(plane.data)[at] = static_cast<std::uint8_t>(code + plane.offset);
      return;
    case CodeType::s16:
      static_cast<std::int16_t*>(plane.data)[at] = static_cast<std::int16_t>(code);
      return;
    case CodeType::s32:
      static_cast<std::int32_t*>(plane.data)[at] = code;
      return;
  }
}

inline constexpr int kChannelBlock = 16;  // output channels that are computed together

// y = requantized(acc·multiplier[c] + (other·other_multiplier + offset[c])·2^added_shift), acc first
// divided by 2^input_shift towards zero. Arrays: [channels, rounded up to kChannelBlock].
struct OutputStage {
  std::int64_t channels = 0;
  const std::int32_t* multiplier = nullptr;
  const std::int32_t* offset = nullptr;
  CodePlane other;
  std::int32_t other_multiplier = 0;
  int input_shift = 0;
  int added_shift = 0;
  Requantizer requantizer;
  CodePlane output;
};

// input: of u8 or s16, from the first tap of output (0, 0) on; pixels hold `depth` channels, a
// multiple of 4 (u8) or 2 (s16). start: [channels, rounded up], what accumulators begin with.
// Each sum from there on must stay within int32 whatever its order.
struct Convolution {
  CodePlane input;
  std::int64_t depth = 0;
  std::int64_t height = 0, width = 0;  // of the output
  int kernel_height = 1, kernel_width = 1;
  int stride_y = 1, stride_x = 1;
  int dilation_y = 1, dilation_x = 1;
  // u8 inputs: int8 [channels / 16][kernel_height][kernel_width][depth / 4][16][4]
  // s16 inputs: int16 [channels / 16][kernel_height][kernel_width][depth / 2][16][2]
  const void* weights = nullptr;
  const std::int32_t* start = nullptr;
  OutputStage stage;
};

void convolve(const Convolution& c);

// One input channel for each output channel. weights: int16 [kernel_height][kernel_width][channels,
// rounded up]; otherwise as above.
void convolve_depthwise(const Convolution& c);

// Whether convolve() uses the dot-product instructions of AVX512-VNNI here and now.
bool convolve_uses_vnni();

// codes[i] = input_code(x[i], scale, low, high).
void input_codes(const float* x, std::int32_t* codes, std::int64_t n, double scale,
                 std::int32_t low, std::int32_t high);

}  // namespace bitsweep::kernels
