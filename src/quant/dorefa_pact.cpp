// Scheme `dorefa_pact`: training with quantizers of document 002 in the graph (facts A.1 to A.4).
// Weights of every layer on DoReFa's grid; activations where the network's bit map has places
// (graph/bit_map.h), on a clamp's grid whose end is constant or learned. Batch norms are never
// folded; biases, sums before their quantizer and the logits stay in full precision.
//
// Beside the document: steps that are learned (lsq, exec/learned_step.h) and DoReFa's quantized
// gradients. Unlike it (facts A.10): the quantizer of the input, where a list asks for one, is that
// of all activations (the document has an unsigned clamp there, which cuts every negative pixel:
// quant.sites.input_quantizer); and one bit is refused where the grid would be empty.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/text.h"
#include "graph/bit_map.h"
#include "graph/layers.h"
#include "graph/signs.h"
#include "quant/layer_rules.h"
#include "quant/scheme.h"

namespace bitsweep::quant {
namespace {

using config::kUnquantizedBits;
using graph::BitEntry;
using graph::BitPlace;
using graph::Graph;
using graph::NodeId;
using graph::Spot;

// One signed bit would leave the code 0 alone. Of weights it is a quantizer of its own: sign(w) ·
// mean|w| (kernels/weight_quantizer_math.h).
int fewest_bits(std::string_view quantizer) {
  return quantizer == "mpact" || quantizer == "lsq" ? 2 : 1;
}

// The width of each entry. `key` is what gives them, for messages.
std::vector<int> widths_of_entries(const std::vector<BitEntry>& entries,
                                   const config::TensorQuantConfig& tensor, std::string_view key,
                                   std::string_view network) {
  const std::vector<int>& list = tensor.bits_per_layer;
  const auto listed =
      static_cast<std::size_t>(std::ranges::count(entries, true, &BitEntry::is_listed));
  if (!list.empty() && list.size() != listed) {
    throw ConfigError(fmt::format("{} has {} entries; network '{}' expects {}: {}", key,
                                  list.size(), network, listed, graph::list_text(entries)));
  }
  std::vector<int> out;
  auto next = list.begin();
  for (const BitEntry& entry : entries) {
    if (!list.empty()) {
      out.push_back(entry.is_listed ? *next++ : *entry.own_width);
    } else if (tensor.bits == kUnquantizedBits) {
      out.push_back(kUnquantizedBits);  // the whole class
    } else {
      out.push_back(entry.own_width.value_or(tensor.bits));
    }
  }
  return out;
}

class Planner {
 public:
  Planner(const Graph& graph, const config::QuantConfig& quant)
      : graph_(graph),
        quant_(quant),
        bits_(graph.bit_map()),
        layers_(graph::layers(graph)),
        rules_(rules_of_layers(graph, quant)),
        weight_widths_(widths_of_entries(bits_.weight_entries, quant.weight, "quant.weight.bits",
                                         graph.name())),
        output_widths_(widths_of_entries(bits_.output_entries, quant.activation,
                                         "quant.activation.bits", graph.name())) {
    for (const config::LayerRule& rule : quant.layers) check_keys(rule);
  }

  SitePlan run() {
    for (const BitPlace& place : bits_.weights) {
      add_weight(place);
      add_gradient(place.node);
    }
    for (const BitPlace& place : bits_.outputs) {
      if (is_on(place.spot)) add_output(place);
    }
    std::ranges::stable_sort(plan_.sites, {}, &QuantizerSite::node);
    const config::DorefaPactConfig& settings = quant_.dorefa_pact;
    if (settings.batch_norm_bits) {
      plan_.batch_norm = {static_cast<int>(*settings.batch_norm_bits),
                          static_cast<int>(settings.batch_norm_integer_bits)};
    }
    return std::move(plan_);
  }

 private:
  static void check_keys(const config::LayerRule& rule) {
    static const std::vector<std::string> kKeys = {"activation.bits", "weight.bits",
                                                   "weight.quantizer"};
    for (const auto& [key, value] : rule.overrides) {
      if (std::ranges::find(kKeys, key) != kKeys.end()) continue;
      throw ConfigError(fmt::format("{}: {} (scheme 'dorefa_pact')", rule.place,
                                    unknown_name_message("layer rule key", key, kKeys)));
    }
  }

  bool is_on(Spot spot) const {
    const config::DorefaPactConfig& sites = quant_.dorefa_pact;
    switch (spot) {
      case Spot::input:
        return sites.input;
      case Spot::outside:
        return true;
      case Spot::inside:
        return sites.inside;
      case Spot::branch:
        return sites.branch_output;
      case Spot::after_add:
        return sites.after_add;
      case Spot::norm:
        return sites.batch_norm_output;
      case Spot::pool:
        return sites.pool_output;
    }
    return false;
  }

  // A width or a quantizer, and what to call its source in messages.
  struct Chosen {
    config::Value value;
    std::string said;
  };

  // What the configuration says (`otherwise`) under `key`, or a rule above it: that of the layer
  // which `node` is or, for an output, comes behind; the last layer up to it in execution order.
  Chosen choose(NodeId node, std::string_view key, config::Value otherwise) const {
    const auto behind = std::ranges::upper_bound(layers_, node);
    if (behind != layers_.begin()) {  // else the network's input
      const config::LayerRule* rule =
          rules_[static_cast<std::size_t>(behind - layers_.begin()) - 1];
      for (const auto& [name, value] : rule ? rule->overrides : kNoOverrides) {
        if (name == key) return {value, fmt::format("{}: {}", rule->place, key)};
      }
    }
    return {std::move(otherwise), fmt::format("quant.{}", key)};
  }

  void add_weight(const BitPlace& place) {
    const Chosen bits = choose(place.node, "weight.bits", weight_widths_[place.entry]);
    const Chosen quantizer = choose(place.node, "weight.quantizer", quant_.weight.quantizer);
    if (width(bits) == kUnquantizedBits) return;
    add_site(Place::weight, place.node, bits, *quantizer.value.as<std::string>()).constant_grid =
        true;
  }

  void add_output(const BitPlace& place) {
    const Chosen bits = choose(place.node, "activation.bits", output_widths_[place.entry]);
    if (width(bits) == kUnquantizedBits) {
      plan_.unquantized_outputs.push_back(place.node);
      return;
    }
    QuantizerSite& site = add_site(Place::output, place.node, bits, quantizer_at(place));
    const config::DorefaPactConfig& settings = quant_.dorefa_pact;
    site.clamp_factor = settings.clamp_factor;
    site.clip = settings.clip;
    const bool learns_step = site.quantizer == "lsq";
    site.alpha_init = settings.alpha_init.value_or(learns_step ? 0.0 : alpha_of(place.spot));
    site.half_range = learns_step && graph::is_never_negative(graph_, place.node);
  }

  // That of the place's entry, of the input, or else of all activations.
  const std::string& quantizer_at(const BitPlace& place) const {
    const std::string& of_entry = bits_.output_entries[place.entry].own_quantizer;
    if (!of_entry.empty()) return of_entry;
    const std::string& of_input = quant_.dorefa_pact.input_quantizer;
    if (place.spot == Spot::input && of_input != "same") return of_input;
    return quant_.activation.quantizer;
  }

  // After the layer's weight: where that stays in full precision, the layer does as a whole, unless
  // all weights do.
  void add_gradient(NodeId layer) {
    const int bits = quant_.dorefa_pact.gradient_bits;
    const bool all_unquantized =
        quant_.weight.bits_per_layer.empty() && quant_.weight.bits == kUnquantizedBits;
    if (bits == kUnquantizedBits) return;
    if (!all_unquantized && plan_.find(Place::weight, layer) == nullptr) return;
    QuantizerSite site;
    site.place = Place::gradient;
    site.node = layer;
    site.bits = bits;
    site.quantizer = "dorefa";
    plan_.sites.push_back(std::move(site));
  }

  static int width(const Chosen& bits) {
    const auto* number = bits.value.as<std::int64_t>();
    return number != nullptr ? static_cast<int>(*number) : kUnquantizedBits;  // "none"
  }

  double alpha_of(Spot spot) const {
    const bool outside = spot == Spot::input || spot == Spot::outside || spot == Spot::pool;
    return outside ? bits_.alpha_outside : bits_.alpha_in_blocks;
  }

  QuantizerSite& add_site(Place place, NodeId node, const Chosen& bits,
                          const std::string& quantizer) {
    if (width(bits) < fewest_bits(quantizer)) {
      throw ConfigError(fmt::format(
          "{} = {} for '{}': {} has 2^(bits - 1) - 1 = 0 levels beside its zero; expected {} to "
          "16, or \"none\"",
          bits.said, width(bits), graph_.node(node).name, quantizer, fewest_bits(quantizer)));
    }
    QuantizerSite site;
    site.place = place;
    site.node = node;
    site.bits = width(bits);
    site.quantizer = quantizer;
    return plan_.sites.emplace_back(std::move(site));
  }

  static inline const decltype(config::LayerRule::overrides) kNoOverrides;

  const Graph& graph_;
  const config::QuantConfig& quant_;
  const graph::BitMap bits_;
  const std::vector<NodeId> layers_;
  const std::vector<const config::LayerRule*> rules_;  // by layer
  const std::vector<int> weight_widths_;               // by entry
  const std::vector<int> output_widths_;
  SitePlan plan_;
};

SitePlan plan(const Graph& graph, const config::QuantConfig& quant) {
  return Planner(graph, quant).run();
}

}  // namespace

void register_dorefa_pact(Registry<Scheme>& registry) {
  registry.add({.name = "dorefa_pact",
                .summary =
                    "Quantization-aware training of document 002 (DoReFa weights; PACT, signed "
                    "PACT or constant clamps of activations)",
                .numerics_version = 1,
                .folds_batch_norm = false,
                .while_training = true,
                .plan = plan});
}

}  // namespace bitsweep::quant
