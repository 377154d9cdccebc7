// Scheme `aciq`: post-training quantization of document 004 (Banner, Nahshan, Soudry, NeurIPS 2019;
// facts B.1.3 to B.1.5). Weights of every layer; the output of every convolution and hidden linear
// layer, after the folded batch norm and before the ReLU; max-pool outputs; the logits. In full
// precision stay the network's input, sums, the ReLUs after them, averages and biases.
//
// Preset `submission2019` is what the 2019 simulator did; its rules that depend on the single site
// (ties, range, the first activation) are decided here where the settings leave them open.
#include <algorithm>
#include <optional>

#include "quant/layer_rules.h"
#include "quant/scheme.h"

namespace bitsweep::quant {
namespace {

using config::Granularity;
using config::kUnquantizedBits;
using config::TensorQuantConfig;
using graph::Graph;
using graph::NodeId;

class Planner {
 public:
  Planner(const Graph& graph, const config::QuantConfig& quant)
      : graph_(graph),
        quant_(quant),
        is_2019_(quant.preset == "submission2019"),
        layers_(resolve_layers(graph, quant)),
        fused_relu_(graph::fused_relu(graph)),
        norm_behind_(graph::norms_behind(graph)) {}

  SitePlan run() {
    for (const LayerSettings& layer : layers_) {
      add_weight(layer);
      add_layer_output(layer);
    }
    for (NodeId id = 0; id <= graph_.output(); ++id) {
      if (is_max_pool(id) && id != graph_.output())
        add_plain_output(id, sites().max_pool_bits, RangeRule::minmax);
    }
    if (!logits_done_) add_logits(graph_.output());
    std::ranges::stable_sort(plan_.sites, {}, &QuantizerSite::node);
    return std::move(plan_);
  }

 private:
  const config::SitesConfig& sites() const { return quant_.sites; }

  bool is_max_pool(NodeId id) const {
    const auto* pool = graph_.node(id).as<graph::Pool>();
    return pool != nullptr && pool->kind == graph::PoolKind::max;
  }

  void add_weight(const LayerSettings& layer) {
    TensorQuantConfig settings = layer.weight;
    // The width of first and last layer is a floor under quantization, not a reason for it.
    if (!layer.rule_sets_weight_bits && settings.bits != kUnquantizedBits) {
      if (&layer == &layers_.front()) {
        settings.bits = sites().first_weight_bits.value_or(settings.bits);
      } else if (&layer == &layers_.back()) {
        settings.bits = sites().last_weight_bits.value_or(settings.bits);
      }
    }
    if (settings.bits == kUnquantizedBits) return;
    add_site(Place::weight, layer.node, settings);
  }

  void add_layer_output(const LayerSettings& layer) {
    const NodeId norm = norm_behind_[static_cast<std::size_t>(layer.node)];
    const NodeId output = norm >= 0 ? norm : layer.node;
    TensorQuantConfig settings = layer.activation;
    if (output == graph_.output()) {
      logits_done_ = true;
      if (layer.rule_sets_activation_bits) {
        add_unclipped(output, settings, RangeRule::batch_extreme);
      } else {
        add_logits(output);
      }
      return;
    }
    const auto first_bits = first_activation_bits();
    if (&layer == &layers_.front() && !layer.rule_sets_activation_bits && first_bits) {
      settings.bits = *first_bits;
      add_unclipped(output, settings, range_rule(per_tensor(settings)));
      return;
    }
    const graph::Shape& shape = graph_.node(output).output;
    if (shape.height == 1 && shape.width == 1) settings.granularity = Granularity::tensor;
    add_output(output, settings, range_rule(settings));
  }

  // The width that the first activation has of its own, if any.
  std::optional<int> first_activation_bits() const {
    if (quant_.activation.bits == kUnquantizedBits) return std::nullopt;
    const config::SiteBits& first = sites().first_activation_bits;
    switch (first.kind) {
      case config::SiteBits::Kind::same:
        return std::nullopt;
      case config::SiteBits::Kind::bits:
        return first.bits;
      case config::SiteBits::Kind::preset:
        break;
    }
    const bool special = is_2019_ && quant_.activation.bits == 4 &&
                         quant_.calibration.statistics == config::Statistics::calibrated;
    return special ? std::optional(8) : std::nullopt;
  }

  void add_logits(NodeId id) {
    add_plain_output(id, sites().logits_bits, RangeRule::batch_extreme);
  }

  // Per tensor and unclipped, with a width of its own where activations are quantized at all.
  void add_plain_output(NodeId id, int bits, RangeRule range) {
    TensorQuantConfig settings = quant_.activation;
    if (settings.bits != kUnquantizedBits) settings.bits = bits;
    settings = per_tensor(settings);
    add_unclipped(id, settings, range == RangeRule::minmax ? range_rule(settings) : range);
  }

  static TensorQuantConfig per_tensor(TensorQuantConfig settings) {
    settings.granularity = Granularity::tensor;
    settings.clipping = "none";
    return settings;
  }

  void add_unclipped(NodeId id, const TensorQuantConfig& settings, RangeRule range) {
    add_output(id, per_tensor(settings), range);
  }

  void add_output(NodeId id, const TensorQuantConfig& settings, RangeRule range) {
    if (settings.bits == kUnquantizedBits) {
      plan_.unquantized_outputs.push_back(id);
      return;
    }
    QuantizerSite& site = add_site(Place::output, id, settings);
    site.clipping = settings.clipping;
    site.range = range;
    site.half_range = sites().fused_relu && fused_relu_[static_cast<std::size_t>(id)];
  }

  QuantizerSite& add_site(Place place, NodeId node, const TensorQuantConfig& settings) {
    QuantizerSite site;
    site.place = place;
    site.node = node;
    site.bits = settings.bits;
    site.quantizer = settings.quantizer;
    site.granularity = settings.granularity;
    site.ties = ties(settings, place);
    site.stochastic = settings.rounding == "stochastic";
    site.power_of_two_scale = settings.power_of_two_scale;
    return plan_.sites.emplace_back(std::move(site));
  }

  // The simulator's path per tensor without clipping rounds half away from zero (facts 004 B.1.2).
  config::Ties ties(const TensorQuantConfig& settings, Place place) const {
    if (settings.ties) return *settings.ties;
    const bool clipped = place != Place::weight && settings.clipping != "none";
    const bool away = is_2019_ && settings.granularity == Granularity::tensor && !clipped;
    return away ? config::Ties::away : config::Ties::even;
  }

  // Facts 004 B.1.3.
  RangeRule range_rule(const TensorQuantConfig& settings) const {
    if (!settings.range.empty()) {
      return settings.range == "sample_mean" ? RangeRule::sample_mean : RangeRule::minmax;
    }
    const bool by_sample = is_2019_ && settings.granularity == Granularity::tensor &&
                           quant_.calibration.statistics == config::Statistics::dynamic;
    return by_sample ? RangeRule::sample_mean : RangeRule::minmax;
  }

  const Graph& graph_;
  const config::QuantConfig& quant_;
  const bool is_2019_;
  const std::vector<LayerSettings> layers_;
  const std::vector<bool> fused_relu_;
  const std::vector<NodeId> norm_behind_;
  SitePlan plan_;
  bool logits_done_ = false;
};

SitePlan plan(const Graph& graph, const config::QuantConfig& quant) {
  return Planner(graph, quant).run();
}

}  // namespace

void register_aciq(Registry<Scheme>& registry) {
  registry.add({.name = "aciq",
                .summary =
                    "Post-training quantization of document 004 (min-max grids; per tensor or "
                    "channel; calibrated or dynamic)",
                .numerics_version = 1,
                .folds_batch_norm = true,
                .plan = plan});
}

}  // namespace bitsweep::quant
