#include "kernels/fake_quantize.h"

#include <algorithm>
#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "cases.h"
#include "kernels/range_math.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;

namespace {

using Floats = std::vector<float>;

constexpr Rounding kAway{.ties = Ties::away};
constexpr Rounding kBefore{.zero_point = ZeroPointOrder::before_rounding};

}  // namespace

TEST_CASE("fake_quantize rounds ties to even, or away from zero where asked",
          "[kernels][fake_quantize]") {
  const Floats x{-2.5f, -1.5f, -0.5f, 0.5f, 1.5f, 2.5f};
  CHECK(fake_quantize(x, signed_grid(1.0f, 4)).y == Floats{-2, -2, 0, 0, 2, 2});
  CHECK(fake_quantize(x, signed_grid(1.0f, 4), kAway).y == Floats{-3, -2, -1, 1, 2, 3});
}

TEST_CASE("fake_quantize does not take the float below one half for a half step",
          "[kernels][fake_quantize]") {
  // 0.49999997 + 0.5 is 1 in float32.
  const float below = std::nextafterf(0.5f, 0.0f);
  const Rounding rounding = GENERATE(from_range(all_roundings()));
  CHECK(fake_quantize({below, -below}, signed_grid(1.0f, 4), rounding).y == Floats{0, 0});
}

TEST_CASE("fake_quantize divides by the scale, and multiplies by its reciprocal where asked",
          "[kernels][fake_quantize]") {
  // 127.5 · scale rounds to code 128 by division and to 127 by multiplication with the reciprocal.
  const float scale = 0.1f * 3.0f;
  const float x = 127.5f * scale;
  REQUIRE(std::rint(x / scale) != std::rint(x * (1.0f / scale)));
  CHECK(fake_quantize({x}, {scale, 0, -512, 511}).y[0] == std::rint(x / scale) * scale);
  CHECK(fake_quantize({x}, {scale, 0, -512, 511}, kTorchRounding).y[0] ==
        std::rint(x * (1.0f / scale)) * scale);
}

TEST_CASE(
    "fake_quantize adds an odd zero point to a half step after rounding, before it where asked",
    "[kernels][fake_quantize]") {
  // 0.5 → 0, then + 1 = code 1; but 0.5 + 1 = 1.5 → code 2.
  const AffineGrid grid{1.0f, 1, 0, 15};
  CHECK(fake_quantize({0.5f}, grid).y[0] == 0.0f);
  CHECK(fake_quantize({0.5f}, grid, kBefore).y[0] == 1.0f);
}

TEST_CASE("fake_quantize saturates, and its mask tells", "[kernels][fake_quantize]") {
  const AffineGrid grid{0.5f, 3, 0, 15};  // represents −1.5 … 6
  const Rounding rounding = GENERATE(from_range(all_roundings()));
  const auto r =
      fake_quantize({-1.5f, -1.76f, 6.0f, 6.26f, kInf, -kInf, kNan, 0.0f}, grid, rounding);
  CHECK(r.y == Floats{-1.5f, -1.5f, 6.0f, 6.0f, 6.0f, -1.5f, -1.5f, 0.0f});
  CHECK(r.mask[0] == 0b1000'0101u);
}

TEST_CASE("fake_quantize represents zero exactly where the zero point is a code",
          "[kernels][fake_quantize]") {
  const int bits = GENERATE(range(1, 9));
  const float scale = GENERATE(1e-8f, 0.037f, 1.0f, 3e7f);
  const Rounding rounding = GENERATE(from_range(all_roundings()));
  CHECK(fake_quantize({0.0f}, unsigned_grid(scale, bits), rounding).y[0] == 0.0f);
}

TEST_CASE("fake_quantize never returns minus zero", "[kernels][fake_quantize]") {
  // The zero point is added after rounding: −0 + 0 = +0. A sign of zero would make equal codes
  // compare unequal as bits.
  const Rounding rounding = GENERATE(from_range(all_roundings()));
  for (const float x : {-0.0f, -0.3f, -1e-45f})
    CHECK_FALSE(std::signbit(fake_quantize({x}, signed_grid(1.0f, 4), rounding).y[0]));
}

TEST_CASE("fake_quantize returns its input on the grid of an empty range",
          "[kernels][fake_quantize]") {
  const Floats x{-3.0f, 0.0f, 0.1f, kInf};
  const auto r =
      fake_quantize(x, anchored_affine_grid({2.0f, 0.0f}, 8), kDocument004KernelRounding);
  CHECK(r.y == x);
  CHECK(r.mask[0] == 0b1111u);
}

TEST_CASE("fake_quantize anchors code 0 at a real lower end", "[kernels][fake_quantize]") {
  // [0.5, 0.9] in 4 bits excludes zero: steps of 0.4/15 from 0.5.
  const AffineGrid grid = anchored_affine_grid({0.5f, 0.4f}, 4);
  const auto y = fake_quantize({0.5f, 0.9f, 0.0f, 0.6f}, grid, kDocument004KernelRounding).y;
  CHECK(y[0] == 0.5f);
  CHECK(y[2] == 0.5f);
  CHECK(std::abs(y[1] - 0.9f) < 1e-6f);
  CHECK(std::abs(y[3] - (0.5f + 4 * 0.4f / 15)) < 1e-6f);
}

TEST_CASE("fake_quantize is idempotent, monotone, and within half a step inside the range",
          "[kernels][fake_quantize]") {
  const int bits = GENERATE(range(1, 9));
  const std::int64_t size = GENERATE(from_range(kSizes));
  const auto grid = signed_grid(0.05f, bits);
  std::mt19937 random(static_cast<unsigned>(bits * 7919 + size));
  std::normal_distribution<float> normal(0.0f, 0.05f * static_cast<float>(1 << bits) / 2.0f);
  Floats x(static_cast<std::size_t>(size));
  for (float& v : x) v = normal(random);
  std::sort(x.begin(), x.end());

  const auto once = fake_quantize(x, grid);
  CHECK(fake_quantize(once.y, grid).y == once.y);
  CHECK(std::is_sorted(once.y.begin(), once.y.end()));
  int passing = 0;
  bool near = true;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!passes(once, i)) continue;
    ++passing;
    near = near && std::abs(once.y[i] - x[i]) <= 0.5f * grid.scale * (1.0f + 1e-6f);
  }
  CHECK(near);
  int bits_set = 0;
  for (const auto word : once.mask) bits_set += std::popcount(word);
  CHECK(bits_set == passing);  // nothing is set past the end
}

TEST_CASE("fake_quantize per channel equals fake_quantize of each channel alone",
          "[kernels][fake_quantize]") {
  const auto layout =
      GENERATE(ChannelLayout{2, 3, 5}, ChannelLayout{1, 7, 9}, ChannelLayout{3, 1, 33},
               ChannelLayout{2, 4, 64}, ChannelLayout{5, 6, 1}, ChannelLayout{1, 2, 100});
  const Rounding rounding = GENERATE(from_range(all_roundings()));
  const Floats x = inputs(layout.size(), 0.1f, 3);
  std::vector<AffineGrid> grids;
  for (int c = 0; c < layout.channels; ++c)
    grids.push_back(unsigned_grid(0.05f * static_cast<float>(c + 1), 1 + c % 8));
  const auto all = fake_quantize(x, layout, grids, rounding);

  bool equal = true, equal_mask = true;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const auto channel = i / static_cast<std::size_t>(layout.inner) % grids.size();
    const auto one = fake_quantize({x[i]}, grids[channel], rounding);
    equal =
        equal && std::bit_cast<std::uint32_t>(one.y[0]) == std::bit_cast<std::uint32_t>(all.y[i]);
    equal_mask = equal_mask && passes(one, 0) == passes(all, i);
  }
  CHECK(equal);
  CHECK(equal_mask);
}

TEST_CASE("fake_quantize gives the same bits however the work is sliced",
          "[kernels][fake_quantize]") {
  const ChannelLayout layout{3, 5, 37};
  const std::int64_t step = GENERATE(32, 64, 320);
  const Floats x = inputs(layout.size(), 0.1f, 11);
  const std::vector<AffineGrid> grids(5, unsigned_grid(0.1f, 4));
  const auto whole = fake_quantize(x, layout, grids);
  FakeQuantizedArray sliced{Floats(x.size()), std::vector<std::uint32_t>(whole.mask.size())};
  const RandomStream random{7, 1, 2};
  Floats stochastic(x.size()), stochastic_sliced(x.size());
  fake_quantize_stochastic_cpu(x.data(), stochastic.data(), nullptr, layout, grids.data(), random);
  for (std::int64_t begin = 0; begin < layout.size(); begin += step) {
    const Slice slice{begin, std::min(begin + step, layout.size())};
    fake_quantize_cpu(x.data(), sliced.y.data(), sliced.mask.data(), layout, grids.data(), {},
                      slice);
    fake_quantize_stochastic_cpu(x.data(), stochastic_sliced.data(), nullptr, layout, grids.data(),
                                 random, slice);
  }
  CHECK(same_bits(sliced.y, whole.y));
  CHECK(same_bits(sliced.mask, whole.mask));
  CHECK(same_bits(stochastic_sliced, stochastic));
}

TEST_CASE("fake_quantize refuses a slice that would write part of a mask word",
          "[kernels][fake_quantize]") {
  Floats x(64), y(64);
  std::uint32_t mask[2];
  const AffineGrid grid = signed_grid(1.0f, 4);
  CHECK_THROWS_AS(
      fake_quantize_cpu(x.data(), y.data(), mask, whole_tensor(64), &grid, {}, {.begin = 5}),
      std::invalid_argument);
  CHECK_THROWS_AS(fake_quantize_cpu(x.data(), y.data(), nullptr, whole_tensor(64), &grid, {},
                                    {.begin = 0, .end = 65}),
                  std::invalid_argument);
}

TEST_CASE("quantize then dequantize equals fake_quantize", "[kernels][fake_quantize]") {
  const int bits = GENERATE(range(1, 9));
  const Rounding rounding = GENERATE(from_range(all_roundings()));
  const ChannelLayout layout{2, 2, 33};
  const Floats x = inputs(layout.size(), 0.1f, static_cast<unsigned>(bits));
  const Floats expected =
      fake_quantize(x, layout, {unsigned_grid(0.1f, bits), unsigned_grid(0.3f, bits)}, rounding).y;
  const AffineGrid grids[] = {unsigned_grid(0.1f, bits), unsigned_grid(0.3f, bits)};
  std::vector<std::uint8_t> codes(x.size());
  Floats y(x.size());
  quantize_cpu(x.data(), codes.data(), layout, grids, rounding);
  dequantize_cpu(codes.data(), y.data(), layout, grids);
  CHECK(same_bits(y, expected));
  std::vector<std::int32_t> wide(x.size());
  quantize_cpu(x.data(), wide.data(), layout, grids, rounding);
  CHECK(std::equal(wide.begin(), wide.end(), codes.begin()));
}

TEST_CASE("quantize to int8 keeps every signed code", "[kernels][fake_quantize]") {
  Floats x;
  std::vector<std::int8_t> expected;
  for (int code = -128; code <= 127; ++code) {
    x.push_back(0.25f * static_cast<float>(code));
    expected.push_back(static_cast<std::int8_t>(code));
  }
  x.push_back(1e9f);
  expected.push_back(127);
  const AffineGrid grid = signed_grid(0.25f, 8);
  std::vector<std::int8_t> codes(x.size());
  quantize_cpu(x.data(), codes.data(), whole_tensor(static_cast<std::int64_t>(x.size())), &grid);
  CHECK(codes == expected);
}

TEST_CASE("rounding is stochastic without bias and never leaves the two neighbours",
          "[kernels][fake_quantize]") {
  const float value = GENERATE(2.25f, -2.25f, 0.9f, -0.001f);
  const std::int64_t n = 40000;
  const Floats x(static_cast<std::size_t>(n), value);
  Floats y(x.size());
  const AffineGrid grid = signed_grid(1.0f, 4);
  fake_quantize_stochastic_cpu(x.data(), y.data(), nullptr, whole_tensor(n), &grid, {1234, 5, 6});
  double sum = 0.0;
  bool neighbours = true;
  for (const float v : y) {
    sum += v;
    neighbours = neighbours && (v == std::floor(value) || v == std::floor(value) + 1.0f);
  }
  CHECK(neighbours);
  // Five standard deviations of the mean of n draws with p(1 − p) <= 1/4.
  CHECK(std::abs(sum / static_cast<double>(n) - value) <= 5.0 * 0.5 / std::sqrt(n));
}

TEST_CASE("stochastic rounding leaves whole numbers and saturated values alone",
          "[kernels][fake_quantize]") {
  const Floats x{-8.0f, 3.0f, 0.0f, 7.0f, 1e9f, -kInf, kInf};
  Floats y(x.size());
  std::uint32_t mask = 0;
  const AffineGrid grid = signed_grid(1.0f, 4);
  fake_quantize_stochastic_cpu(x.data(), y.data(), &mask, whole_tensor(7), &grid, {9, 9, 9});
  CHECK(y == Floats{-8, 3, 0, 7, 7, -8, 7});
  CHECK(mask == 0b0001111u);
}

TEST_CASE("no compiler contracts a product and a sum of the formulas", "[kernels][fake_quantize]") {
  // round(x · (1/s) + z) with a fused multiply-add goes another way where x · (1/s) was rounded to
  // a half step. Found by search, so that the test fails if either the search or the flag breaks;
  // it runs under the strongest instruction set, which has the fused instruction.
  constexpr Rounding rounding{Ties::even, Scaling::reciprocal, ZeroPointOrder::before_rounding};
  std::mt19937 random(1);
  int telling = 0;
  bool separate = true;
  for (int i = 0; i < 20000; ++i) {
    const float scale = 0.01f + static_cast<float>(random() % 1000) * 1e-4f;
    const auto steps = static_cast<float>(random() % 64);
    const float x = -(steps + 0.5f) * scale;
    const float zero_point = steps + 1.0f + static_cast<float>(random() % 2);
    volatile float reciprocal = 1.0f / scale;
    volatile float product = x * reciprocal;
    const float fused = std::rint(std::fma(x, reciprocal, zero_point));
    const float apart = std::rint(product + zero_point);
    if (fused == apart) continue;
    ++telling;
    const std::vector<float> eight(8, x);  // as many as fill a vector register
    const auto y = fake_quantize(eight, {scale, zero_point, 0, 255}, rounding).y;
    separate = separate && y == Floats(8, (apart - zero_point) * scale);
  }
  CHECK(telling > 100);
  CHECK(separate);
}
