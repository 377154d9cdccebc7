// How far the tensors of a quantized network lie from those of the float one.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "config/trial.h"
#include "export/quantized_network.h"
#include "graph/parameters.h"

namespace bitsweep::ptq {

struct TensorDistance {
  std::int64_t elements = 0;
  double mse = 0;      // mean squared difference
  double sqnr_db = 0;  // 10·log10(Σ reference² / Σ difference²); infinite where nothing differs
  double max_abs = 0;  // largest difference
  double cosine = 1;   // of the angle between the two; 1 where both are 0, 0 where one is
  bool equal = true;   // bit for bit
};

// Sums in float64, in order. The two have one size.
TensorDistance distance(std::span<const float> reference, std::span<const float> other);

// The output of a node for one image.
struct NodeValue {
  graph::NodeId node = -1;
  std::vector<float> values;
};

// The outputs of every node that is computed by itself, in execution order. image: [3, height,
// width], normalized. Where a quantizer performs the ReLU behind a node, the node's value is the
// ReLU's.
std::vector<NodeValue> node_values(const exporting::QuantizedNetwork& network,
                                   std::span<const float> image);

// `network` with these float32 parameters and no quantizers; its values are what node_values() of
// the quantized one would be without rounding.
std::vector<NodeValue> float_node_values(const exporting::QuantizedNetwork& network,
                                         const graph::Parameters& parameters,
                                         std::span<const float> image);

}  // namespace bitsweep::ptq
