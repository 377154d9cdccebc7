#include "quant/layer_rules.h"

#include <algorithm>

#include "core/check.h"
#include "core/error.h"
#include "core/text.h"
#include "graph/layers.h"

namespace bitsweep::quant {
namespace {

using config::LayerRule;
using config::TensorQuantConfig;
using config::Value;

constexpr std::string_view kWeight = "weight.";
constexpr std::string_view kActivation = "activation.";

// Values arrive checked against the table of keys (config/schema.h), so that another type here is a
// programmer's mistake.
template <typename T>
const T& checked(const Value& value, std::string_view key) {
  const T* typed = std::get_if<T>(&value);
  BITSWEEP_CHECK(typed != nullptr, "layer rule key '{}' has a value of another type", key);
  return *typed;
}

config::ZeroBits zero_bits(const Value& value) {
  return checked<std::string>(value, "zero_bits") == "mean" ? config::ZeroBits::mean
                                                            : config::ZeroBits::lower_end;
}

struct Override {
  std::string_view key;
  void (*apply)(TensorQuantConfig&, const Value&);
};

const Override kOverrides[] = {
    {"allocation_max_bits",
     [](TensorQuantConfig& t, const Value& v) {
       t.allocation_max_bits = static_cast<int>(checked<std::int64_t>(v, "allocation_max_bits"));
     }},
    {"allocation_prior",
     [](TensorQuantConfig& t, const Value& v) {
       t.allocation_prior = checked<std::string>(v, "allocation_prior");
     }},
    {"average_bits", [](TensorQuantConfig& t,
                        const Value& v) { t.average_bits = checked<double>(v, "average_bits"); }},
    {"bias_correction",
     [](TensorQuantConfig& t, const Value& v) {
       t.bias_correction = checked<std::string>(v, "bias_correction");
     }},
    {"bit_allocation",
     [](TensorQuantConfig& t, const Value& v) {
       t.bit_allocation = checked<std::string>(v, "bit_allocation");
     }},
    {"bits",
     [](TensorQuantConfig& t, const Value& v) {
       const auto* bits = std::get_if<std::int64_t>(&v);
       t.bits = bits != nullptr ? static_cast<int>(*bits) : config::kUnquantizedBits;  // "none"
     }},
    {"clipping", [](TensorQuantConfig& t,
                    const Value& v) { t.clipping = checked<std::string>(v, "clipping"); }},
    {"clipping_constants",
     [](TensorQuantConfig& t, const Value& v) {
       t.clipping_constants = checked<std::string>(v, "clipping_constants") == "exact"
                                  ? config::ClippingConstants::exact
                                  : config::ClippingConstants::two_decimals;
     }},
    {"granularity",
     [](TensorQuantConfig& t, const Value& v) {
       t.granularity = checked<std::string>(v, "granularity") == "channel"
                           ? config::Granularity::channel
                           : config::Granularity::tensor;
     }},
    {"percentile",
     [](TensorQuantConfig& t, const Value& v) { t.percentile = checked<double>(v, "percentile"); }},
    {"power_of_two_scale",
     [](TensorQuantConfig& t, const Value& v) {
       t.power_of_two_scale = checked<bool>(v, "power_of_two_scale");
     }},
    {"quantizer", [](TensorQuantConfig& t,
                     const Value& v) { t.quantizer = checked<std::string>(v, "quantizer"); }},
    {"range",
     [](TensorQuantConfig& t, const Value& v) { t.range = checked<std::string>(v, "range"); }},
    {"rounding", [](TensorQuantConfig& t,
                    const Value& v) { t.rounding = checked<std::string>(v, "rounding"); }},
    {"ties",
     [](TensorQuantConfig& t, const Value& v) {
       const auto& word = checked<std::string>(v, "ties");
       t.ties = std::nullopt;  // "by_path"
       if (word == "even") t.ties = config::Ties::even;
       if (word == "away") t.ties = config::Ties::away;
     }},
    {"zero_bits", [](TensorQuantConfig& t, const Value& v) { t.zero_bits = zero_bits(v); }},
};

// A width of its own from a list of one per layer; nothing where there is no list.
bool apply_list(TensorQuantConfig& settings, std::size_t layer, std::size_t layers,
                std::string_view key, std::string_view network) {
  const auto& list = settings.bits_per_layer;
  if (list.empty()) return false;
  if (list.size() != layers) {
    throw ConfigError(fmt::format("{} has {} entries, network '{}' has {} layers", key, list.size(),
                                  network, layers));
  }
  settings.bits = list[layer];
  settings.average_bits.reset();  // its own width is what the layer aims at
  return true;
}

// A rule that gives a width gives the average that allocation aims at, unless it gives that, too.
void forget_averages(const LayerRule& rule, LayerSettings& layer) {
  for (const auto& [key, value] : rule.overrides) {
    if (key == "weight.bits") layer.weight.average_bits.reset();
    if (key == "activation.bits") layer.activation.average_bits.reset();
  }
}

void apply(const LayerRule& rule, LayerSettings& layer) {
  forget_averages(rule, layer);
  for (const auto& [key, value] : rule.overrides) {
    const bool is_weight = std::string_view(key).starts_with(kWeight);
    const std::string_view prefix = is_weight ? kWeight : kActivation;
    const auto* found = std::ranges::find_if(kOverrides, [&](const Override& candidate) {
      return std::string_view(key).starts_with(prefix) &&
             std::string_view(key).substr(prefix.size()) == candidate.key;
    });
    if (found == std::end(kOverrides)) {
      std::vector<std::string> known;
      for (const Override& override_ : kOverrides) {
        known.push_back(std::string(prefix) + std::string(override_.key));
      }
      throw ConfigError(
          fmt::format("{}: {}", rule.place, unknown_name_message("layer rule key", key, known)));
    }
    found->apply(is_weight ? layer.weight : layer.activation, value);
    if (found->key == "bits") {
      (is_weight ? layer.own_weight_bits : layer.own_activation_bits) = true;
    }
  }
}

}  // namespace

std::vector<const LayerRule*> rules_of_layers(const graph::Graph& graph,
                                              const config::QuantConfig& quant) {
  const std::vector<graph::NodeId> layers = graph::layers(graph);
  std::vector<const LayerRule*> out(layers.size(), nullptr);
  for (const LayerRule& rule : quant.layers) {
    const graph::LayerPattern pattern(rule.match, rule.place);
    bool matched = false;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      if (!pattern.matches(graph.node(layers[i]).name)) continue;
      matched = true;
      if (out[i] == nullptr) out[i] = &rule;
    }
    if (!matched) {
      throw ConfigError(fmt::format(
          "{}: layer pattern '{}' matches no layer of network '{}': {}", rule.place, rule.match,
          graph.name(), unknown_name_message("layer", rule.match, graph::layer_names(graph))));
    }
  }
  return out;
}

std::vector<LayerSettings> resolve_layers(const graph::Graph& graph,
                                          const config::QuantConfig& quant) {
  const std::vector<graph::NodeId> layers = graph::layers(graph);
  const std::vector<const LayerRule*> rules = rules_of_layers(graph, quant);
  std::vector<LayerSettings> out;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    LayerSettings layer{layers[i], quant.weight, quant.activation};
    layer.own_weight_bits =
        apply_list(layer.weight, i, layers.size(), "quant.weight.bits", graph.name());
    layer.own_activation_bits =
        apply_list(layer.activation, i, layers.size(), "quant.activation.bits", graph.name());
    if (rules[i] != nullptr) apply(*rules[i], layer);
    out.push_back(std::move(layer));
  }
  return out;
}

}  // namespace bitsweep::quant
