// Which nodes of a graph one integer step computes: a layer takes the batch norm, the addition and
// the activation behind it, as far as no quantizer and no other reader stands between them.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "quant/sites.h"

namespace bitsweep::integer {

// head, then norm, addition, activation, each optional; head is a layer or the first of these.
struct Chain {
  graph::NodeId head = -1;
  graph::NodeId norm = -1;
  graph::NodeId add = -1;
  graph::NodeId other = -1;  // what `add` adds to the chain's value
  graph::NodeId activation = -1;
  graph::NodeId last = -1;  // whose value the step writes
};

// In the order in which they can run: by their last node. Nodes that are neither layer, batch norm,
// addition nor activation are in none. Of two layers that one addition joins, the later one takes
// it.
std::vector<Chain> find_chains(const graph::Graph& graph, const quant::SitePlan& sites);

}  // namespace bitsweep::integer
