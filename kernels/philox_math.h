// Philox4x32-10, a counter-based random generator (Salmon, Moraes, Dror, Shaw: "Parallel Random
// Numbers: As Easy as 1, 2, 3", SC 2011). A draw is a pure function of its address, so that order,
// threads, devices and interruptions cannot change it.
#pragma once

#include <cstdint>

#include "kernels/formula.h"

namespace bitsweep::kernels {

// One sequence of draws. `stream` says what they are for (data order, augmentation, the rounding of
// one tensor …), `step` the epoch or step; draws are addressed by index within that.
struct RandomStream {
  std::uint64_t seed = 0;
  std::uint32_t stream = 0;
  std::uint32_t step = 0;
};

struct Philox4 {
  std::uint32_t word[4];
};

// Ten rounds on `counter` with the 64-bit key {key0, key1}.
BITSWEEP_FORMULA Philox4 philox4x32_10(Philox4 counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53u} * counter.word[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<std::uint32_t>(product1 >> 32) ^ counter.word[1] ^ key0,
                static_cast<std::uint32_t>(product1),
                static_cast<std::uint32_t>(product0 >> 32) ^ counter.word[3] ^ key1,
                static_cast<std::uint32_t>(product0)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

// Draws 4·block … 4·block + 3 of a stream: counter {block low, block high, step, stream}, key =
// seed.
BITSWEEP_FORMULA Philox4 random_block(const RandomStream& random, std::uint64_t block) {
  return philox4x32_10({{static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                         random.step, random.stream}},
                       static_cast<std::uint32_t>(random.seed),
                       static_cast<std::uint32_t>(random.seed >> 32));
}

// Draw number `index`: 32 uniform bits.
BITSWEEP_FORMULA std::uint32_t random_bits(const RandomStream& random, std::uint64_t index) {
  return random_block(random, index / 4).word[index % 4];
}

// Uniform in [0, 1), a multiple of 2^-24: every value is a float32.
BITSWEEP_FORMULA float uniform01(std::uint32_t bits) {
  return static_cast<float>(bits >> 8) * 0x1p-24f;
}

}  // namespace bitsweep::kernels
