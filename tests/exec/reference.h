// Every operator of a graph as plain loops in float64: what exec/operators.h is checked against.
#pragma once

#include <span>
#include <vector>

#include "graph/graph.h"
#include "graph/parameters.h"

namespace bitsweep::testing {

// One value per node: [batch, channels, height, width] flattened.
std::vector<std::vector<double>> evaluate(const graph::Graph& graph,
                                          const graph::Parameters& parameters,
                                          std::span<const float> images, std::int64_t batch);

}  // namespace bitsweep::testing
