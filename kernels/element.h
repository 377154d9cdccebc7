// The element types of activations and their gradients: float32, or bfloat16 with all arithmetic in
// float32.
#pragma once

#include <cstdint>

#include "kernels/formula.h"

namespace bitsweep::kernels {

enum class Element : std::uint8_t { f32, bf16 };

struct BFloat16 {
  std::uint16_t bits;
};

BITSWEEP_FORMULA float to_float(float x) { return x; }

BITSWEEP_FORMULA float to_float(BFloat16 x) {
  const std::uint32_t bits = static_cast<std::uint32_t>(x.bits) << 16;
#if defined(__CUDA_ARCH__)
  return __uint_as_float(bits);
#else
  float out;
  __builtin_memcpy(&out, &bits, sizeof(out));
  return out;
#endif
}

// The nearest, ties to even; NaN stays NaN.
BITSWEEP_FORMULA void from_float(float x, float& out) { out = x; }

BITSWEEP_FORMULA void from_float(float x, BFloat16& out) {
  std::uint32_t bits;
#if defined(__CUDA_ARCH__)
  bits = __float_as_uint(x);
#else
  __builtin_memcpy(&bits, &x, sizeof(bits));
#endif
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  out.bits = static_cast<std::uint16_t>(x != x ? 0x7fc0u : rounded);
}

}  // namespace bitsweep::kernels
