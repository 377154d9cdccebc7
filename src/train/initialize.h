// The values that a network is trained from, drawn by a seed: the same on every machine of one
// numeric fingerprint (logarithm and cosine are the C library's), with any number of threads.
#pragma once

#include <cstdint>

#include "graph/graph.h"
#include "graph/parameters.h"
#include "models/initialization.h"

namespace bitsweep::train {

// Philox stream of the trial's seed (data/order.h has the others); the step is the tensor's place
// in tensor_specs(graph).
inline constexpr std::uint32_t kInitializationStream = 5;

// Fills every tensor of `parameters`, which are those of `graph`. Element i of a uniform tensor is
// draw i: bound · (2 · (bits + 1/2) / 2^32 − 1). Element i of a normal one is Box and Muller's
// √(−2 ln u) · cos(2π v) with u = (bits + 1) / 2^32 of draw 2i and v = bits / 2^32 of draw 2i + 1.
// All in float64, rounded once.
void initialize(const graph::Graph& graph, const models::Initialization& rules, std::uint64_t seed,
                graph::Parameters& parameters);

}  // namespace bitsweep::train
