#include "search/recipe.h"

#include <fmt/format.h>

#include <map>

#include "core/check.h"
#include "core/error.h"
#include "data/dataset.h"
#include "graph/layers.h"
#include "graph/passes.h"
#include "models/model.h"
#include "quant/layer_rules.h"

namespace bitsweep::search {
namespace {

using config::Assignment;
using config::LayerRule;
using graph::NodeId;
using quant::Place;

constexpr const char* kPlace = "analysis";

config::Value width_value(int bits) {
  if (bits == config::kUnquantizedBits) return std::string("none");
  return std::int64_t{bits};
}

// A regular expression that matches `name` alone.
std::string exactly(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::string_view(R"(\^$.|?*+()[]{})").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

quant::PlannedNetwork plan(const config::Settings& settings, const config::TrialConfig& trial) {
  if (trial.kind != config::TrialKind::ptq || trial.quant.scheme == "none") {
    throw ConfigError(
        fmt::format("the recipe has kind = \"{}\" and quant.scheme = \"{}\"; expected kind = "
                    "\"ptq\" with a scheme that quantizes",
                    config::format_bare(settings.get("kind")), trial.quant.scheme));
  }
  const data::Dataset& dataset = data::datasets().get(trial.data.name);
  return quant::plan_network(models::build_model(trial.model, dataset.num_classes()), trial.quant);
}

// `rule` (nullptr: none yet) with `changes` on top, for the layer `name` alone.
LayerRule changed_rule(const LayerRule* rule, const std::string& name,
                       const std::map<std::string, config::Value>& changes) {
  std::map<std::string, config::Value> overrides;
  if (rule != nullptr) overrides.insert(rule->overrides.begin(), rule->overrides.end());
  for (const auto& [key, value] : changes) overrides[key] = value;
  std::vector<Assignment> assignments;
  for (const auto& [key, value] : overrides) {
    assignments.push_back(config::assignment("quant." + key, value, kPlace));
  }
  return config::layer_rule(exactly(name), std::move(assignments), kPlace);
}

// "weight.bits" of quant.weight.bits: how a rule spells its keys.
std::string in_rule(const Assignment& assignment) {
  return config::schema()[assignment.key].name.substr(std::string_view("quant.").size());
}

}  // namespace

std::string_view to_string(Tensor tensor) {
  return tensor == Tensor::weight ? "weight" : "activation";
}

std::string Knob::name() const { return fmt::format("{}.{}", layer, to_string(tensor)); }

Recipe::Recipe(config::Settings settings)
    : settings_(std::move(settings)),
      trial_(config::to_trial(settings_)),
      network_(plan(settings_, trial_)),
      table_(quant::bit_table(graph(), network_.sites)),
      layers_(graph::layers(graph())) {
  const std::vector<NodeId> norms = graph::norms_behind(graph());
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const NodeId norm = norms[static_cast<std::size_t>(layers_[i])];
    add_knob(Tensor::weight, i, layers_[i]);
    add_knob(Tensor::activation, i, norm >= 0 ? norm : layers_[i]);
  }
  if (!knobs_.empty()) return;
  throw ConfigError("the recipe quantizes no weight and no output of a layer: nothing to analyse");
}

void Recipe::add_knob(Tensor tensor, std::size_t layer, NodeId node) {
  const Place place = tensor == Tensor::weight ? Place::weight : Place::output;
  const quant::QuantizerSite* site = network_.sites.find(place, node);
  if (site == nullptr) return;
  Knob knob{graph().node(layers_[layer]).name, tensor, site->bits, node, {}};
  const auto keep = [&](const char* key, config::Value value) {
    knob.policy.push_back(config::assignment(fmt::format("quant.{}.{}", to_string(tensor), key),
                                             std::move(value), kPlace));
  };
  const quant::LayerSettings own = quant::resolve_layers(graph(), trial_.quant)[layer];
  const config::TensorQuantConfig& says = tensor == Tensor::weight ? own.weight : own.activation;
  const bool is_outer = layer == 0 || layer + 1 == layers_.size();
  if (is_outer && says.bit_allocation != "none" && !site->is_allocated()) {
    keep("bit_allocation", std::string("none"));
  }
  if (tensor == Tensor::activation && layer == 0) {
    if (says.granularity != site->granularity) keep("granularity", std::string("tensor"));
    if (says.clipping != site->clipping) keep("clipping", site->clipping);
    if (says.bias_correction != site->bias_correction) {
      keep("bias_correction", site->bias_correction);
    }
  }
  knobs_.push_back(std::move(knob));
}

config::Settings Recipe::with(const Widths& widths) const {
  BITSWEEP_CHECK(widths.size() == knobs_.size(), "{} widths for {} knobs", widths.size(),
                 knobs_.size());
  std::map<std::string, std::map<std::string, config::Value>> changes;  // by layer
  for (std::size_t i = 0; i < knobs_.size(); ++i) {
    if (!widths[i]) continue;
    auto& of_layer = changes[knobs_[i].layer];
    for (const Assignment& kept : knobs_[i].policy) of_layer[in_rule(kept)] = kept.value;
    of_layer[fmt::format("{}.bits", to_string(knobs_[i].tensor))] = width_value(*widths[i]);
  }
  const auto rules = quant::rules_of_layers(graph(), trial_.quant);
  std::vector<LayerRule> first;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const std::string& name = graph().node(layers_[i]).name;
    const auto found = changes.find(name);
    if (found != changes.end()) first.push_back(changed_rule(rules[i], name, found->second));
  }
  config::Settings out = settings_;
  out.layers.insert(out.layers.begin(), first.begin(), first.end());
  return out;
}

config::Settings Recipe::only(std::size_t knob) const {
  const Knob& one = knobs_.at(knob);
  Widths widths(knobs_.size());
  widths[knob] = one.bits;
  config::Settings out = with(widths);
  const std::string own = fmt::format("{}.bits", to_string(one.tensor));
  for (const char* table : {"weight", "activation"}) {
    const std::string bits = fmt::format("{}.bits", table);
    out.set("quant." + bits, std::string("none"), kPlace);
    for (LayerRule& rule : out.layers) {
      for (auto& [key, value] : rule.overrides) {
        const bool is_knob = &rule == &out.layers.front() && key == own;
        if (key == bits && !is_knob) value = std::string("none");
      }
    }
  }
  return out;
}

graph::TotalCount Recipe::count(const Widths& widths) const {
  BITSWEEP_CHECK(widths.size() == knobs_.size(), "{} widths for {} knobs", widths.size(),
                 knobs_.size());
  graph::BitTable table = table_;
  for (std::size_t i = 0; i < knobs_.size(); ++i) {
    if (!widths[i]) continue;
    graph::NodeBits& bits = table[static_cast<std::size_t>(knobs_[i].node)];
    (knobs_[i].tensor == Tensor::weight ? bits.weight : bits.output) = {*widths[i]};
    const bool unquantized = *widths[i] == config::kUnquantizedBits;
    if (knobs_[i].tensor == Tensor::weight && unquantized) bits.weight_scales = 0;
  }
  return graph::count(graph(), table).total;
}

}  // namespace bitsweep::search
