// The values of a graph's tensors, in one flat float32 buffer addressed by name.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace bitsweep::graph {

class Parameters {
 public:
  // All zeros, laid out as tensor_specs(graph) lists them.
  explicit Parameters(const Graph& graph);

  const std::vector<TensorSpec>& specs() const { return specs_; }
  bool contains(std::string_view name) const;
  // [elements] of the tensor. Throws InternalError for an unknown name.
  std::span<float> values(std::string_view name);
  std::span<const float> values(std::string_view name) const;
  std::span<const float> flat() const { return values_; }
  std::span<float> flat() { return values_; }

 private:
  std::size_t index_of(std::string_view name) const;

  std::vector<TensorSpec> specs_;
  std::vector<std::int64_t> offsets_;
  std::vector<float> values_;
};

}  // namespace bitsweep::graph
