// The dull executor of integer networks: plain loops, int64 sums, one image at a time. What the
// fast one and the hardware are compared with.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "integer/network.h"

namespace bitsweep::integer {

// All codes of one image by tensor, [channels, height, width] each, and its logits.
struct Trace {
  std::vector<std::vector<std::int32_t>> codes;
  std::vector<float> logits;
};

// image: [channels, height, width] float32, normalised as the network was trained. A value beyond
// the input's bounds saturates; NaN is 0.
std::vector<std::int32_t> input_codes(const Tensor& input, std::span<const float> image);

// `network` must have passed check(). Keeps every tensor.
Trace run_reference(const Network& network, std::span<const float> image);
// The same from the codes of the input.
Trace run_reference(const Network& network, std::vector<std::int32_t> input);

// One layer by itself: codes of its input (and of `other` where it adds one) to codes of its
// output. The exact sums of products, [out_channels, height, width], in `accumulators` where
// wanted.
std::vector<std::int32_t> run_layer(const Network& network, const Layer& layer,
                                    std::span<const std::int32_t> input,
                                    std::span<const std::int32_t> other = {},
                                    std::vector<std::int64_t>* accumulators = nullptr);

// The classifier's exact sums of products by themselves, [out_features].
std::vector<std::int64_t> accumulators_of(const Classifier& classifier,
                                          std::span<const std::int32_t> input);

// A maximum by itself.
std::vector<std::int32_t> run_max_pool(const Network& network, const MaxPool& pool,
                                       std::span<const std::int32_t> input);

}  // namespace bitsweep::integer
