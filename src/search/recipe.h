// A recipe whose layers can be given other widths, one weight or output at a time: what the
// analyses of sensitivity, recovery and search turn. A change is a [[layer]] rule, so that every
// point of an analysis is an ordinary trial.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "config/trial.h"
#include "graph/count.h"
#include "graph/graph.h"
#include "quant/scheme.h"

namespace bitsweep::search {

enum class Tensor { weight, activation };
std::string_view to_string(Tensor tensor);  // "weight", "activation": the words of the keys

// One quantized tensor of the recipe.
struct Knob {
  std::string layer;
  Tensor tensor = Tensor::weight;
  int bits = 8;             // in the recipe, policies of first and last layer applied
  graph::NodeId node = -1;  // of the network after its passes: whose weight or output it is
  // What holds the tensor's other settings where they are once its width stands in a rule: the
  // policies for first and last layer give way to a rule.
  std::vector<config::Assignment> policy;

  std::string name() const;  // "layer1.0.conv1.weight", "layer1.0.conv1.activation"
};

// A width for each knob; nothing: as the recipe says.
using Widths = std::vector<std::optional<int>>;

class Recipe {
 public:
  // Every weight and output of a layer that the recipe quantizes, in execution order, is a knob.
  // Throws ConfigError where `settings` is no post-training quantization, or quantizes nothing.
  explicit Recipe(config::Settings settings);

  const config::Settings& settings() const { return settings_; }
  const std::vector<Knob>& knobs() const { return knobs_; }
  const graph::Graph& graph() const { return network_.folding.graph; }

  // The recipe with these widths, of 1–16 bits or config::kUnquantizedBits.
  config::Settings with(const Widths& widths) const;
  // The recipe with both classes in full precision, but for one knob, which stays as it is.
  config::Settings only(std::size_t knob) const;

  // What a network with these widths counts. Where widths are allocated per channel, their average.
  graph::TotalCount count(const Widths& widths) const;

 private:
  void add_knob(Tensor tensor, std::size_t layer, graph::NodeId node);

  config::Settings settings_;
  config::TrialConfig trial_;
  quant::PlannedNetwork network_;
  graph::BitTable table_;
  std::vector<graph::NodeId> layers_;
  std::vector<Knob> knobs_;
};

}  // namespace bitsweep::search
