// Several prepared configurations as one graph: whatever two of them compute alike is one node.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "exec/operators.h"
#include "graph/graph.h"
#include "ptq/prepare.h"

namespace bitsweep::ptq {

// A node with everything that its output depends on. Two nodes are one where the node of the
// network, the values of its tensors, its inputs and its quantizer are equal; that a batch's own
// statistics quantize it is part of the quantizer, and which batch it is is the same for all.
struct MergedNode {
  const graph::Node* node = nullptr;
  exec::NodeTensors tensors;             // on the device
  std::vector<int> inputs;               // merged nodes
  bool passes_on = false;                // its output is its first input, perhaps quantized
  const Quantizer* quantizer = nullptr;  // of its output; nullptr: none, or a dynamic one
  const quant::QuantizerSite* dynamic = nullptr;  // quantized by the statistics of each batch
};

struct MergedNetworks {
  std::vector<MergedNode> nodes;  // inputs before their users; node 0 is the input
  // [member][node of its graph] → position in `nodes`. A node that has nothing to do is its input.
  std::vector<std::vector<int>> places;
};

// The members outlive the result.
MergedNetworks merge(std::span<const Prepared* const> members, at::Device device);

}  // namespace bitsweep::ptq
