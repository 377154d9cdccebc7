// How large sums of an integer network can become: what proves that an accumulator does not
// overflow, and draws the bounds of carriers in.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "integer/network.h"

namespace bitsweep::integer {

// Both ends included. Arithmetic on bounds saturates at int64's own.
struct Bounds {
  std::int64_t low = 0;
  std::int64_t high = 0;
  bool within_int32() const {
    return low >= std::numeric_limits<std::int32_t>::min() &&
           high <= std::numeric_limits<std::int32_t>::max();
  }
};

Bounds bounds_of(const Tensor& tensor);
Bounds sum_of(Bounds a, Bounds b);
Bounds scaled(Bounds a, std::int64_t factor);
Bounds shifted_by(Bounds a, std::int64_t offset);
// Whether a sum within them, and every partial sum, stays 2^fraction_bits clear of int64's ends.
bool is_safe(Bounds sum, int fraction_bits);

// Of the sum of products of each output channel, and of every partial sum of it, for any input
// within its tensor's bounds; divided by 2^input_shift where the layer does that.
std::vector<Bounds> accumulator_bounds(const Weights& weights, std::int64_t out_channels,
                                       const Tensor& input, int input_shift = 0);

// Of what requantization divides by 2^fraction_bits; `accumulator` of this output channel.
Bounds sum_before_rounding(const Network& network, const Layer& layer, std::int64_t channel,
                           Bounds accumulator);

}  // namespace bitsweep::integer
