// Passes that keep what a network computes, found from the graph and not from a list of models.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "graph/parameters.h"

namespace bitsweep::graph {

// A graph without the batch norms that could be folded into the layer before them.
struct Folding {
  Graph graph;
  // Node of the unfolded graph → node of `graph` that computes the same value: a folded batch norm
  // maps to its layer, and so does the layer itself, whose own value is gone.
  std::vector<NodeId> node_of;
  // For each node of `graph` the batch norm (of the unfolded graph) folded into it, -1 where none.
  std::vector<NodeId> folded_norm;
};

// For each node the batch norm that is its only user, where the node is a convolution or linear
// layer; else -1.
std::vector<NodeId> norms_behind(const Graph& graph);

// Folds norms_behind() into their layers, grouped ones too (facts 004 B.1.5). Layers keep their
// names and gain a bias.
Folding fold_batch_norm(const Graph& graph);
// The folding that folds nothing.
Folding keep_batch_norm(const Graph& graph);

// The values for `folding.graph`: w·(1/√(σ²+ε))·γ and (b − μ)·(1/√(σ²+ε))·γ + β for each output
// channel, in float32 and in this order, which gives document 004's folded weights bit for bit;
// everything else is copied.
Parameters fold_parameters(const Folding& folding, const Graph& graph,
                           const Parameters& parameters);

// For each node whether its only user is a ReLU: a quantizer there may start its range at 0 and so
// perform the ReLU (facts 004 B.1.4). ReLU6 is none: a range from 0 need not end at 6.
std::vector<bool> fused_relu(const Graph& graph);

}  // namespace bitsweep::graph
