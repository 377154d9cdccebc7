// From bytes to what a network reads: (x / 255 − mean[c]) / std[c] in float32, each operation
// rounded once, as the sources of the weights computed it (docs/numerics.md).
#pragma once

#include <array>
#include <cstdint>

#include "config/trial.h"
#include "data/dataset.h"

namespace bitsweep::data {

// A network input value for each byte of each channel. Output channel c reads image channel
// source[c] (Caffe's networks take blue, green, red).
struct Normalization {
  std::array<std::array<float, 256>, 3> value{};
  std::array<int, 3> source{0, 1, 2};
};

// `auto` is the data set's own. Throws ConfigError for an unknown name.
Normalization normalization(const config::NormalizeConfig& config, const Dataset& dataset);

// The largest |x| that a network can be given.
double largest_value(const Normalization& normalization);

// The images at these positions, in this order, as [count, channels, height, width] float32 at
// `out`.
void normalized_batch(const Images& images, std::span<const std::int64_t> positions,
                      const Normalization& normalization, float* out);

}  // namespace bitsweep::data
