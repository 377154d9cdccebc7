#include <array>
#include <catch2/catch_test_macros.hpp>
#include <set>

#include "kernels/philox_math.h"

using namespace bitsweep::kernels;

namespace {

std::array<std::uint32_t, 4> words(const Philox4& p) {
  return {p.word[0], p.word[1], p.word[2], p.word[3]};
}

}  // namespace

TEST_CASE("Philox4x32-10 gives the known answers of Random123", "[kernels][philox]") {
  using Words = std::array<std::uint32_t, 4>;
  CHECK(words(philox4x32_10({{0, 0, 0, 0}}, 0, 0)) ==
        Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  const std::uint32_t f = 0xffffffff;
  CHECK(words(philox4x32_10({{f, f, f, f}}, f, f)) ==
        Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(words(philox4x32_10({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822,
                            0x299f31d0)) == Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("each part of a draw's address changes the draw", "[kernels][philox]") {
  std::set<std::uint32_t> draws;
  for (const std::uint64_t seed : {0ull, 1ull, 1ull << 32})
    for (const std::uint32_t stream : {0u, 1u})
      for (const std::uint32_t step : {0u, 1u})
        for (const std::uint64_t index : {0ull, 1ull, 2ull, 3ull, 4ull, 1ull << 34})
          draws.insert(random_bits({seed, stream, step}, index));
  CHECK(draws.size() == 3 * 2 * 2 * 6);
}

TEST_CASE("draw i of a stream is word i mod 4 of block i / 4", "[kernels][philox]") {
  const RandomStream random{42, 3, 9};
  for (std::uint64_t i = 0; i < 40; ++i)
    CHECK(random_bits(random, i) == random_block(random, i / 4).word[i % 4]);
}

TEST_CASE("uniform01 lies in [0, 1) at both ends", "[kernels][philox]") {
  CHECK(uniform01(0) == 0.0f);
  CHECK(uniform01(0xffffffff) == 1.0f - 0x1p-24f);
}
