// The layers of a network: its convolutions and linear layers, which carry the weights, the
// multiply-accumulates and the bit widths, and which the patterns of [[layer]] name.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph.h"

namespace bitsweep::graph {

// In execution order.
std::vector<NodeId> layers(const Graph& graph);
std::vector<std::string> layer_names(const Graph& graph);

// An ECMAScript regular expression that matches whole names. Matching takes time polynomial in the
// length of pattern and name whatever the pattern; back references are refused for that.
class LayerPattern {
 public:
  static constexpr std::size_t kMaxLength = 1000;

  // Throws ConfigError with `place` ("file:line:column") and the pattern where it is no regular
  // expression or is longer than kMaxLength.
  LayerPattern(std::string pattern, std::string_view place);
  LayerPattern(LayerPattern&&) noexcept;
  LayerPattern& operator=(LayerPattern&&) noexcept;
  ~LayerPattern();

  bool matches(std::string_view name) const;
  const std::string& text() const { return text_; }

 private:
  struct Compiled;
  std::string text_;
  std::unique_ptr<Compiled> compiled_;
};

}  // namespace bitsweep::graph
