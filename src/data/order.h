// Orders drawn by a seed: the same on every machine, with any number of threads.
#pragma once

#include <cstdint>
#include <vector>

namespace bitsweep::data {

// What a drawn order is for: the stream of the trial's seed that it uses.
enum class OrderStream : std::uint32_t {
  calibration = 1,
  evaluation = 2,
  training = 3,
  augmentation = 4,  // draws of data/augment.h, no order
};

// 0, 1, … n − 1.
std::vector<std::int64_t> file_order(std::int64_t n);
// A permutation of 0 … n − 1: sorted by Philox draw number i of (seed, stream, step) for position
// i; equal draws keep the order of their positions.
std::vector<std::int64_t> drawn_order(std::int64_t n, std::uint64_t seed, OrderStream stream,
                                      std::uint32_t step = 0);
// In which order epoch `epoch` (from 0) of a training reads its n images.
std::vector<std::int64_t> epoch_order(std::int64_t n, std::uint64_t seed, std::uint32_t epoch);

}  // namespace bitsweep::data
