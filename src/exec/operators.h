// One node of a graph computed by LibTorch.
#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "graph/graph.h"
#include "graph/parameters.h"

namespace bitsweep::exec {

// A node's tensors ("weight", "bias", "running_mean" …); a missing one is undefined.
struct NodeTensors {
  at::Tensor weight;
  at::Tensor bias;
  at::Tensor running_mean;
  at::Tensor running_var;
};

// Views of `parameters` on the CPU (which must outlive them), copies elsewhere; one per node.
std::vector<NodeTensors> node_tensors(const graph::Graph& graph,
                                      const graph::Parameters& parameters, at::Device device);

// The output of `node` in evaluation mode, [batch, channels, height, width] float32 contiguous.
// May write into the storage of inputs[0], and return it, where nobody but `inputs` holds it.
at::Tensor compute(const graph::Node& node, std::span<at::Tensor> inputs,
                   const NodeTensors& tensors);

}  // namespace bitsweep::exec
