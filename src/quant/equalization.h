// Cross-layer equalization (Nagel, van Baalen, Blankevoort, Welling: "Data-Free Quantization
// Through Weight Equalization and Bias Correction", ICCV 2019, section 4.1): channels between two
// layers are scaled so that both weights have the same range there, which one grid for a whole
// tensor needs. What the network computes stays the same in exact arithmetic.
#pragma once

#include <vector>

#include "graph/graph.h"
#include "graph/parameters.h"

namespace bitsweep::quant {

// Two layers with nothing between them but what commutes with a positive factor a channel: a ReLU,
// a pool, dropout. Their outputs have no other reader.
struct EqualizedPair {
  graph::NodeId first = -1;
  graph::NodeId second = -1;
};

// In execution order. A ReLU6 commutes with no factor (the paper replaces it by a ReLU, which is
// another network): no pair reaches across one. A batch norm that was not folded ends one, too.
std::vector<EqualizedPair> equalizable_pairs(const graph::Graph& graph);

// For each channel i between a pair, with r1 and r2 the largest magnitudes in row i of the first
// weight and column i of the second: s = √(r1·r2) / r2 (eq. 11), W1 and b1 divided by s, W2
// multiplied by it (eqs. 7, 8). Over all pairs again until no factor differs from 1 by more than
// 1e-3, at most 100 times. A channel without weights on either side stays as it is.
void equalize(const graph::Graph& graph, graph::Parameters& parameters);

}  // namespace bitsweep::quant
