// PyTorch's adaptive average pool as the fixed pool that it is on images of a known size.
#pragma once

#include <string>

#include "graph/graph.h"

namespace bitsweep::models {

// Averages x to size × size. Throws ConfigError naming the node where its height or width is no
// multiple of `size`: the windows would differ in size.
graph::NodeId add_adaptive_average_pool(graph::Graph& g, std::string name, graph::NodeId x,
                                        int size);

}  // namespace bitsweep::models
