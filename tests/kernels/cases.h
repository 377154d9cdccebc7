// Inputs and grids that the kernel tests share.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/fake_quantize.h"

namespace bitsweep::kernels::testing {

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// 1–10 and 2^k ± 1: every head, body and tail of the vector loops and of the mask words.
inline const std::vector<std::int64_t> kSizes{1,   2,   3,   4,   5,   6,   7,   8,   9,    10,
                                              15,  16,  17,  31,  32,  33,  63,  64,  65,   127,
                                              128, 129, 255, 256, 257, 511, 512, 513, 1023, 1025};

// All eight ways to round.
inline std::vector<Rounding> all_roundings() {
  std::vector<Rounding> out;
  for (const Ties ties : {Ties::even, Ties::away})
    for (const Scaling scaling : {Scaling::divide, Scaling::reciprocal})
      for (const ZeroPointOrder order :
           {ZeroPointOrder::after_rounding, ZeroPointOrder::before_rounding})
        out.push_back({ties, scaling, order});
  return out;
}

inline std::string to_string(Rounding rounding) {
  return std::string(rounding.ties == Ties::even ? "even" : "away") +
         (rounding.scaling == Scaling::divide ? ", divide" : ", reciprocal") +
         (rounding.zero_point == ZeroPointOrder::after_rounding ? ", after" : ", before");
}

// Normal numbers, half steps of `step`, and everything that is no ordinary number.
inline std::vector<float> inputs(std::int64_t n, float step, unsigned seed) {
  static const float kOdd[] = {0.0f, -0.0f, kInf, -kInf, kNan, 3e38f, -3e38f, 1e-45f, -1e-39f};
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, 6.0f * step);
  std::vector<float> x(static_cast<std::size_t>(n));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto draw = random() % 16;
    if (draw == 0)
      x[i] = kOdd[random() % std::size(kOdd)];
    else if (draw < 6)
      x[i] = (static_cast<float>(random() % 41) - 20.0f) * 0.5f * step;
    else
      x[i] = normal(random);
  }
  return x;
}

// Unsigned codes of 1–8 bits with a zero point inside.
inline AffineGrid unsigned_grid(float scale, int bits) {
  return {scale, static_cast<float>((1 << bits) / 3), 0, (1 << bits) - 1};
}

inline AffineGrid signed_grid(float scale, int bits) {
  return {scale, 0.0f, -(1 << (bits - 1)), (1 << (bits - 1)) - 1};
}

struct FakeQuantizedArray {
  std::vector<float> y;
  std::vector<std::uint32_t> mask;
};

inline FakeQuantizedArray fake_quantize(const std::vector<float>& x, const ChannelLayout& layout,
                                        const std::vector<AffineGrid>& grids,
                                        Rounding rounding = {}) {
  FakeQuantizedArray out{
      std::vector<float>(x.size()),
      std::vector<std::uint32_t>(
          static_cast<std::size_t>(mask_words(static_cast<std::int64_t>(x.size()))), 0xdeadbeef)};
  fake_quantize_cpu(x.data(), out.y.data(), out.mask.data(), layout, grids.data(), rounding);
  return out;
}

inline FakeQuantizedArray fake_quantize(const std::vector<float>& x, const AffineGrid& grid,
                                        Rounding rounding = {}) {
  return fake_quantize(x, whole_tensor(static_cast<std::int64_t>(x.size())), {grid}, rounding);
}

inline bool passes(const FakeQuantizedArray& result, std::size_t i) {
  return (result.mask[i / 32] >> (i % 32) & 1u) != 0;
}

// Whether two arrays are the same bits: NaN equals itself, −0 differs from +0.
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || __builtin_memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// As same_bits, but one NaN is as good as another: of two NaN operands the processor keeps the
// first, and which one that is the compiler chooses.
inline bool same_numbers(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) && std::isnan(b[i])) continue;
    if (__builtin_memcmp(&a[i], &b[i], sizeof(float)) != 0) return false;
  }
  return true;
}

}  // namespace bitsweep::kernels::testing
