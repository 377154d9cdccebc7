// Evaluation of a graph on batches of images.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

#include "exec/operators.h"
#include "graph/graph.h"
#include "graph/parameters.h"

namespace bitsweep::exec {

// Sees the output of every node right after it was computed, [batch, channels, height, width]
// float32 contiguous, and may overwrite its values; empty: nobody does.
using OutputHook = std::function<void(graph::NodeId node, at::Tensor& value)>;

class Inference {
 public:
  // `graph` and, on the CPU, `parameters` must outlive this object. Nodes with skipped[id] return
  // their first input as it is (a ReLU that a quantizer before it has performed); an empty vector
  // skips none.
  Inference(const graph::Graph& graph, const graph::Parameters& parameters, at::Device device,
            std::vector<bool> skipped = {});

  // images: [batch, channels, height, width] float32 contiguous on the device. Returns the outputs
  // of the last node, [batch, classes]. Outputs are freed after their last user, and overwritten by
  // it where it can.
  at::Tensor run(const at::Tensor& images, const OutputHook& hook = {}) const;

  at::Device device() const { return device_; }

 private:
  const graph::Graph& graph_;
  at::Device device_;
  std::vector<NodeTensors> tensors_;
  std::vector<bool> skipped_;
  std::vector<graph::NodeId> last_user_;  // the node itself where nobody reads it
};

}  // namespace bitsweep::exec
