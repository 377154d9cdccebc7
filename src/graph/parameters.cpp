#include "graph/parameters.h"

#include <algorithm>

#include "core/check.h"

namespace bitsweep::graph {

Parameters::Parameters(const Graph& graph) : specs_(tensor_specs(graph)) {
  std::int64_t total = 0;
  for (const TensorSpec& spec : specs_) {
    offsets_.push_back(total);
    total += spec.elements();
  }
  values_.resize(static_cast<std::size_t>(total));
}

bool Parameters::contains(std::string_view name) const {
  return std::ranges::find(specs_, name, &TensorSpec::name) != specs_.end();
}

std::span<float> Parameters::values(std::string_view name) {
  const std::size_t index = index_of(name);
  return std::span(values_).subspan(static_cast<std::size_t>(offsets_[index]),
                                    static_cast<std::size_t>(specs_[index].elements()));
}

std::span<const float> Parameters::values(std::string_view name) const {
  const std::size_t index = index_of(name);
  return std::span(values_).subspan(static_cast<std::size_t>(offsets_[index]),
                                    static_cast<std::size_t>(specs_[index].elements()));
}

std::size_t Parameters::index_of(std::string_view name) const {
  const auto it = std::ranges::find(specs_, name, &TensorSpec::name);
  BITSWEEP_CHECK(it != specs_.end(), "no tensor named '{}'", name);
  return static_cast<std::size_t>(it - specs_.begin());
}

}  // namespace bitsweep::graph
