// Scheme `aciq`: post-training quantization of document 004 (Banner, Nahshan, Soudry, NeurIPS 2019;
// facts B.1.3 to B.1.5). Weights of every layer; the output of every convolution and hidden linear
// layer, after the folded batch norm and before the ReLU; max-pool outputs; the logits. In full
// precision stay the network's input, sums, products, concatenations, the activations after them,
// averages and biases.
//
// All of it is found from the graph. A layer in front of a ReLU, and of nothing else, has the half
// range; one in front of ReLU6 or hard-swish has both sides. Of a squeeze-and-excitation branch the
// two layers are quantized per tensor (1x1 images); its mean, gate and product are not. The
// logits are the last layer's output where only activations and averages follow (SqueezeNet), with
// both sides even in front of a ReLU, as the published simulator has its 1000 channels.
#include <algorithm>
#include <optional>

#include "core/error.h"
#include "quant/bit_allocation.h"
#include "quant/layer_rules.h"
#include "quant/quantizer_rules.h"
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
        layers_(resolve_layers(graph, quant)),
        fused_relu_(graph::fused_relu(graph)),
        norm_behind_(graph::norms_behind(graph)),
        logits_(find_logits(graph)) {}

  SitePlan run() {
    check_allocation("quant.weight", quant_.weight);
    check_allocation("quant.activation", quant_.activation);
    check_correction();
    check_refinement();
    for (const LayerSettings& layer : layers_) {
      add_weight(layer);
      add_layer_output(layer);
    }
    for (NodeId id = 0; id <= graph_.output(); ++id) {
      TensorQuantConfig settings = quant_.activation;
      if (id == logits_) {
        if (logits_done_) continue;
        use_width(settings, sites().logits_bits);
        add_unclipped(id, settings, RangeRule::batch_extreme);
      } else if (is_max_pool(id)) {
        use_width(settings, sites().max_pool_bits);
        add_unclipped(id, settings);
      }
    }
    std::ranges::stable_sort(plan_.sites, {}, &QuantizerSite::node);
    return std::move(plan_);
  }

 private:
  const config::SitesConfig& sites() const { return quant_.sites; }

  bool is_max_pool(NodeId id) const {
    const auto* pool = graph_.node(id).as<graph::Pool>();
    return pool != nullptr && pool->kind == graph::PoolKind::max;
  }

  // The network's output, or what gives it through activations and averages alone.
  static NodeId find_logits(const Graph& graph) {
    NodeId id = graph.output();
    while (true) {
      const graph::Node& node = graph.node(id);
      const bool passes = node.as<graph::Activation>() != nullptr ||
                          node.as<graph::GlobalAveragePool>() != nullptr ||
                          node.as<graph::Flatten>() != nullptr ||
                          node.as<graph::Dropout>() != nullptr;
      if (!passes) return node.has_weight() ? id : graph.output();
      id = node.inputs[0];
    }
  }

  // A classifier reads a vector. SqueezeNet's last convolution reads an image, and the published
  // simulator treats its weights as any other's.
  bool is_classifier(const LayerSettings& layer) const {
    const graph::Shape& input = graph_.node(graph_.node(layer.node).inputs[0]).output;
    return &layer == &layers_.back() && input.height == 1 && input.width == 1;
  }

  // The first layers, as many as quant.sites.first_layers says.
  bool is_first(const LayerSettings& layer) const {
    return &layer - layers_.data() < sites().first_layers;
  }

  // The width of a special place, where the class it belongs to is quantized at all.
  static void use_width(TensorQuantConfig& settings, int bits) {
    if (settings.bits != kUnquantizedBits) settings.bits = bits;
  }

  void add_weight(const LayerSettings& layer) {
    TensorQuantConfig settings = layer.weight;
    bool special = false;  // a width that a policy gives is never allocated
    if (!layer.own_weight_bits) {
      if (is_first(layer)) {
        special = sites().first_weight_bits.has_value();
        use_width(settings, sites().first_weight_bits.value_or(settings.bits));
      } else if (is_classifier(layer)) {
        special = sites().last_weight_bits.has_value();
        use_width(settings, sites().last_weight_bits.value_or(settings.bits));
      }
    }
    if (settings.bits == kUnquantizedBits) return;
    if (special) {
      settings.bit_allocation = "none";
      settings.average_bits.reset();
      // Document 004's script clusters neither the first layer nor the classifier.
      if (settings.quantizer == "kmeans") settings.quantizer = "affine";
    }
    QuantizerSite& site = add_site(Place::weight, layer.node, settings);
    site.bias_correction = settings.bias_correction;
  }

  void add_layer_output(const LayerSettings& layer) {
    const NodeId norm = norm_behind_[static_cast<std::size_t>(layer.node)];
    const NodeId output = norm >= 0 ? norm : layer.node;
    TensorQuantConfig settings = layer.activation;
    if (output == logits_ || layer.node == logits_) {
      logits_done_ = true;
      if (!layer.own_activation_bits) use_width(settings, sites().logits_bits);
      add_unclipped(output, settings, RangeRule::batch_extreme);
      return;
    }
    if (&layer == &layers_.front() && !layer.own_activation_bits && sites().first_activation_bits) {
      use_width(settings, *sites().first_activation_bits);
      add_unclipped(output, settings);
      return;
    }
    const graph::Shape& shape = graph_.node(output).output;
    if (shape.height == 1 && shape.width == 1) settings.granularity = Granularity::tensor;
    add_output(output, settings, range_rule(settings));
  }

  void add_unclipped(NodeId id, TensorQuantConfig settings,
                     std::optional<RangeRule> range = std::nullopt) {
    settings.granularity = Granularity::tensor;
    settings.clipping = "none";
    settings.bit_allocation = "none";
    settings.average_bits.reset();
    settings.bias_correction = "none";
    add_output(id, settings, range.value_or(range_rule(settings)));
  }

  void add_output(NodeId id, const TensorQuantConfig& settings, RangeRule range) {
    if (settings.bits == kUnquantizedBits) {
      plan_.unquantized_outputs.push_back(id);
      return;
    }
    QuantizerSite& site = add_site(Place::output, id, settings);
    site.clipping = settings.clipping;
    site.clipping_constants = settings.clipping_constants;
    site.percentile = settings.percentile;
    site.range = range;
    site.bias_correction = settings.bias_correction;
    site.half_range = sites().fused_relu && fused_relu_[static_cast<std::size_t>(id)] &&
                      range != RangeRule::batch_extreme;
  }

  QuantizerSite& add_site(Place place, NodeId node, const TensorQuantConfig& settings) {
    check_quantizer(place == Place::weight ? "quant.weight" : "quant.activation", settings);
    QuantizerSite site;
    site.place = place;
    site.node = node;
    site.bits = settings.bits;
    site.quantizer = settings.quantizer;
    site.granularity = settings.granularity;
    site.ties = ties(settings, place);
    site.stochastic = settings.rounding == "stochastic";
    site.power_of_two_scale = settings.power_of_two_scale;
    if (site.quantizer == "mid_tread") {
      site.allocation.average_bits = settings.average_bits.value_or(site.bits);
    }
    allocate(settings, site);
    return plan_.sites.emplace_back(std::move(site));
  }

  // A layer or output that is per tensor among others per channel keeps its width; a whole class
  // of them would drop the allocation in silence.
  static void check_allocation(const char* table, const TensorQuantConfig& settings) {
    if (settings.bit_allocation == "none" || settings.granularity == Granularity::channel) return;
    throw ConfigError(fmt::format(
        "{}.bit_allocation = \"{}\" gives widths per channel, and {}.granularity is \"tensor\"; "
        "expected \"channel\"",
        table, settings.bit_allocation, table));
  }

  // The sums that correct an output are those of the calibration images.
  void check_correction() const {
    const bool wanted = quant_.activation.bias_correction != "none" ||
                        std::ranges::any_of(layers_, [](const LayerSettings& layer) {
                          return layer.activation.bias_correction != "none";
                        });
    if (wanted && quant_.calibration.statistics == config::Statistics::dynamic) {
      throw ConfigError(
          "quant.activation.bias_correction needs quant.calibration.statistics = \"calibrated\"");
    }
  }

  // What calibration images improve (ptq/refinement.h).
  void check_refinement() const {
    const auto need = [](bool met, const char* key, const char* what) {
      if (!met) throw ConfigError(fmt::format("{} needs {}", key, what));
    };
    const bool calibrated = quant_.calibration.statistics == config::Statistics::calibrated;
    const char* const kCalibrated = "quant.calibration.statistics = \"calibrated\"";
    if (quant_.batch_norm_reestimation) {
      need(calibrated, "quant.batch_norm_reestimation", kCalibrated);
      need(quant_.fold_batch_norm, "quant.batch_norm_reestimation", "quant.fold_batch_norm = true");
    }
    if (!quant_.adaptive_rounding) return;
    need(calibrated, "quant.weight.adaptive_rounding", kCalibrated);
    for (const LayerSettings& layer : layers_) {
      const std::string& grid = layer.weight.quantizer;
      need(grid == "affine" || grid == "symmetric", "quant.weight.adaptive_rounding",
           "quant.weight.quantizer \"affine\" or \"symmetric\" for every layer");
    }
  }

  // Widths per channel, where there are channels to tell apart and the tensor is narrow enough.
  void allocate(const TensorQuantConfig& settings, QuantizerSite& site) const {
    if (settings.bit_allocation == "none" || site.granularity != Granularity::channel ||
        site.bits > settings.allocation_max_bits) {
      return;
    }
    const auto refuse = [&](const std::string& why) {
      throw ConfigError(
          fmt::format("{}.bit_allocation = \"{}\": {}",
                      site.place == Place::weight ? "quant.weight" : "quant.activation",
                      settings.bit_allocation, why));
    };
    const double average = settings.average_bits.value_or(site.bits);
    if (average > kMostAllocatedBits) {
      refuse(fmt::format("an average of {} bits cannot be met by channels of 0 to {} bits", average,
                         kMostAllocatedBits));
    }
    if (site.quantizer != "affine") {
      refuse(
          "a channel may get 0 or 1 bit, which quantizer \"symmetric\" has no codes for; "
          "expected quantizer \"affine\"");
    }
    site.allocation = {settings.bit_allocation, settings.allocation_prior, average,
                       settings.zero_bits};
  }

  // "by_path": the 2019 simulator's path per tensor without clipping rounds half away from zero,
  // its other path to even (facts 004 B.1.1, B.1.2).
  static config::Ties ties(const TensorQuantConfig& settings, Place place) {
    if (settings.ties) return *settings.ties;
    const bool clipped = place != Place::weight && settings.clipping != "none";
    return settings.granularity == Granularity::tensor && !clipped ? config::Ties::away
                                                                   : config::Ties::even;
  }

  static RangeRule range_rule(const TensorQuantConfig& settings) {
    return settings.range == "sample_mean" && settings.granularity == Granularity::tensor
               ? RangeRule::sample_mean
               : RangeRule::minmax;
  }

  const Graph& graph_;
  const config::QuantConfig& quant_;
  const std::vector<LayerSettings> layers_;
  const std::vector<bool> fused_relu_;
  const std::vector<NodeId> norm_behind_;
  const NodeId logits_;
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
                .after_training = true,
                .plan = plan});
}

}  // namespace bitsweep::quant
