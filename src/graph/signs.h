// Which values of a network can be negative, found from the graph alone.
#pragma once

#include "graph/graph.h"

namespace bitsweep::graph {

// True where every element of the node's output is at least 0 whatever the weights and the image
// are: behind a ReLU, ReLU6 or hard sigmoid, and what pools, sums, products and concatenations of
// such values give. The network's input counts as signed.
bool is_never_negative(const Graph& graph, NodeId id);

}  // namespace bitsweep::graph
