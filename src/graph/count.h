// Counting: parameters, multiply-accumulates, bit operations, bytes and average widths of a
// network. The same for every scheme: a scheme says its widths in a BitTable.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "config/trial.h"
#include "graph/graph.h"

namespace bitsweep::graph {

// The widths of one tensor: one for all of it, or one per channel (bit allocation). Empty: nothing
// quantizes this tensor.
using Widths = std::vector<int>;

// What a scheme decided for one node. A place that the scheme would quantize but was told to leave
// (`bits = "none"`) holds kUnquantizedBits: it counts in the averages, an empty one does not.
struct NodeBits {
  Widths weight;                   // empty counts as kUnquantizedBits: a weight is always stored
  std::int64_t weight_scales = 0;  // scales stored with the weight: 1, or one per output channel
  Widths output;                   // quantizer on the output
  std::vector<std::pair<int, Widths>> edges;  // quantizers on single inputs: (input, widths)
};
using BitTable = std::vector<NodeBits>;  // one entry per node; empty: nothing is quantized

inline constexpr std::int64_t kBytesPerScale = 4;  // float32

// One module of the network: convolutions, linear layers, batch norms and pooling modules
// (functional pooling, activations and sums are none), in execution order.
struct LayerCount {
  NodeId node = -1;
  std::int64_t parameters = 0;  // weights, biases, affine parameters; no running statistics
  std::int64_t macs = 0;        // of convolutions and linear layers for one image, without bias
  // As the profiler behind document 002's figures counted (facts 002 A.5): macs, plus 2 per output
  // element of a batch norm, window + 1 per output of an adaptive average pool module, 1 per output
  // of an average pool module.
  std::int64_t madds_published = 0;

  // Of convolutions and linear layers only.
  std::int64_t weights = 0;
  double weight_bits = config::kUnquantizedBits;  // mean over the weight
  // Mean width of the tensor that the layer reads. A width survives what keeps values on their grid
  // (ReLU, ReLU6, max pooling, flatten, dropout, zero-padded shortcut, and concatenation at its
  // widest input); sums, products, means and the other operations give kUnquantizedBits.
  double activation_bits = config::kUnquantizedBits;
  double output_bits = config::kUnquantizedBits;  // of the quantizer on its output, if any
  std::int64_t bops = 0;                          // macs · weight_bits · activation_bits, rounded
  // ⌈sum of weight bits / 8⌉ plus kBytesPerScale for each weight scale. Biases, zero points and
  // batch norms are not counted.
  std::int64_t bytes = 0;
};

struct TotalCount {
  std::int64_t parameters = 0;
  std::int64_t macs = 0;
  std::int64_t madds_published = 0;
  std::int64_t weights = 0;
  std::int64_t bops = 0;
  std::int64_t weight_bytes = 0;  // ⌈sum of weight bits of all layers / 8⌉
  std::int64_t scale_bytes = 0;
  std::int64_t bytes() const { return weight_bytes + scale_bytes; }
  // By element, first layer, last layer and logits included. Activations: over the elements that
  // quantizers see; kUnquantizedBits where there is no quantizer.
  double weight_bits_average = config::kUnquantizedBits;
  double activation_bits_average = config::kUnquantizedBits;
};

struct Counts {
  std::vector<LayerCount> layers;
  TotalCount total;
};

// `bits` is empty or has one entry per node of `graph`.
Counts count(const Graph& graph, const BitTable& bits = {});

}  // namespace bitsweep::graph
