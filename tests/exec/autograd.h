// A graph in training by LibTorch's operators and its autograd, in float64: the oracle of the
// training executor.
#pragma once

#include <ATen/core/Tensor.h>

#include <map>
#include <string>

#include "graph/graph.h"
#include "graph/parameters.h"
#include "quant/sites.h"

namespace bitsweep::testing {

struct Oracle {
  std::map<std::string, at::Tensor> tensors;  // float64 leaves by name; "<node>.alpha" for each α
  at::Tensor images;                          // float64 leaf
  std::vector<at::Tensor> values;             // by node
};

// Runs the graph on `images`; call values.back() … .backward() for the gradients of the leaves.
// training: batch statistics (running statistics in `tensors` move, as PyTorch moves them).
Oracle run_oracle(const graph::Graph& graph, const graph::Parameters& parameters,
                  const quant::SitePlan& sites, const std::map<std::string, double>& alphas,
                  const at::Tensor& images, bool training);

}  // namespace bitsweep::testing
