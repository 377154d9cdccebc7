#include "integer/build.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <set>

#include "core/check.h"
#include "core/error.h"
#include "graph/layers.h"
#include "integer/bounds.h"
#include "integer/chains.h"
#include "integer/grids.h"

namespace bitsweep::integer {
namespace {

// What the recipe's <B, I> are meant for.
constexpr int kPlainWeightBits = 8;

using graph::ActivationKind;
using graph::Graph;
using graph::Node;
using graph::NodeId;
using kernels::FixedPoint;
using quant::Place;
using quant::QuantizerSite;

class Builder {
 public:
  Builder(const Graph& graph, const quant::SitePlan& sites, const graph::Parameters& parameters,
          const Alphas& alphas, const Settings& settings)
      : graph_(graph),
        sites_(sites),
        parameters_(parameters),
        alphas_(alphas),
        settings_(settings),
        layers_(graph::layers(graph)),
        tensor_of_(graph.nodes().size(), kNone),
        chain_at_(graph.nodes().size(), nullptr),
        chains_(find_chains(graph, sites)) {
    for (const Chain& chain : chains_) chain_at_[index(chain.last)] = &chain;
    for (const Chain& chain : chains_)
      in_chain_.insert({chain.head, chain.norm, chain.add, chain.activation});
  }

  Network run() {
    out_.name = graph_.name();
    out_.settings = settings_;
    for (NodeId id = 0; id <= graph_.output(); ++id) {
      if (const Chain* chain = chain_at_[index(id)]) {
        add_chain(*chain);
      } else if (!in_chain_.contains(id)) {
        add_node(id, graph_.node(id));
      }
    }
    check(out_);
    return std::move(out_);
  }

 private:
  static std::size_t index(NodeId id) { return static_cast<std::size_t>(id); }

  [[noreturn]] void refuse(const Node& node, const std::string& why) const {
    throw ConfigError(fmt::format("'{}' ({}) of network '{}' has no integer form: {}", node.name,
                                  graph::op_name(node), graph_.name(), why));
  }

  const QuantizerSite* site(Place place, NodeId id) const { return sites_.find(place, id); }

  std::span<const float> values(const Node& node, const char* kind) const {
    return parameters_.values(fmt::format("{}.{}", node.name, kind));
  }

  const Tensor& tensor_of(NodeId id) const {
    const TensorId tensor = tensor_of_[index(id)];
    BITSWEEP_CHECK(tensor != kNone, "'{}' is read before it is written", graph_.node(id).name);
    return out_.tensor(tensor);
  }

  // Of what stands on the output of `id`; `otherwise`: where nothing does.
  Grid grid_at(NodeId id, const Grid& otherwise) const {
    const QuantizerSite* quantizer = site(Place::output, id);
    if (quantizer == nullptr) return otherwise;
    const std::string& name = graph_.node(id).name;
    const auto alpha = alphas_.find(name);
    return grid_of(*quantizer, name, alpha == alphas_.end() ? quantizer->alpha_init : alpha->second,
                   settings_.variant);
  }

  TensorId add_tensor(NodeId id, const Grid& grid) {
    const Node& node = graph_.node(id);
    const bool quantized = site(Place::output, id) != nullptr;
    out_.tensors.push_back({.name = node.name,
                            .shape = node.output,
                            .scale = grid.read,
                            .low = grid.low,
                            .high = grid.high,
                            .quantized = quantized});
    return tensor_of_[index(id)] = static_cast<TensorId>(out_.tensors.size()) - 1;
  }

  // Stem, header and classifier have an entry of their own in the network's bit map, or are the
  // first and last layers where it states none; the others stand in blocks.
  bool is_in_block(NodeId layer) const {
    const auto& bits = graph_.stated_bit_map();
    if (!bits) return layer != layers_.front() && layer != layers_.back();
    const auto place = std::ranges::find(bits->weights, layer, &graph::BitPlace::node);
    return place != bits->weights.end() &&
           std::ranges::count(bits->weights, place->entry, &graph::BitPlace::entry) > 1;
  }

  // The bounds of the grid after the chain's activation.
  void apply_activation(const Chain& chain, Grid& grid) const {
    if (chain.activation < 0) return;
    const Node& node = graph_.node(chain.activation);
    switch (node.as<graph::Activation>()->kind) {
      case ActivationKind::relu6:
        grid.high = std::min(grid.high, whole(6 * grid.make));
        [[fallthrough]];
      case ActivationKind::relu:
        grid.low = std::max(grid.low, 0);
        return;
      case ActivationKind::hard_swish:
      case ActivationKind::hard_sigmoid:
      case ActivationKind::hard_sigmoid_fifth:
        refuse(node, "expected relu or relu6");
    }
  }

  // A bound as the sums before it are rounded.
  std::int32_t whole(double v) const {
    v = settings_.rounding == kernels::FixedRounding::truncate ? std::trunc(v) : std::rint(v);
    return static_cast<std::int32_t>(
        std::min(v, static_cast<double>(std::numeric_limits<std::int32_t>::max())));
  }

  std::int32_t fixed(double v, FixedPoint format) const {
    return kernels::fixed_of(v, format, saturation(settings_.variant));
  }

  ChannelAffine affine_of(const Node& norm) const {
    return channel_affine(values(norm, "weight"), values(norm, "bias"),
                          values(norm, "running_mean"), values(norm, "running_var"),
                          norm.as<graph::BatchNorm>()->eps, settings_.variant);
  }

  // G, H and the residual's R of a chain whose sums have the scale `sum_scale`.
  Requantization requantization(const Chain& chain, const Grid& grid, double sum_scale,
                                std::span<const float> bias, FixedPoint format) const {
    Requantization out{.multiplier = {}, .offset = {}, .fraction_bits = format.fraction_bits()};
    ChannelAffine affine;
    if (chain.norm >= 0) affine = affine_of(graph_.node(chain.norm));
    if (chain.norm < 0 && !bias.empty()) {
      affine = {std::vector<double>(bias.size(), 1.0), std::vector<double>(bias.size(), 0.0)};
    }
    for (std::size_t c = 0; c < bias.size(); ++c) {
      affine.shift[c] += affine.gain[c] * static_cast<double>(bias[c]);
    }
    if (affine.gain.empty()) {
      out.multiplier = {fixed(grid.make / sum_scale, format)};
    } else {
      set_affine(out, affine, grid.make / sum_scale, grid.make, format, settings_.variant);
    }
    if (chain.add >= 0) {
      out.other_multiplier = fixed(grid.make / tensor_of(chain.other).scale, format);
    }
    return out;
  }

  void add_chain(const Chain& chain) {
    const Node& head = graph_.node(chain.head);
    if (!head.has_weight()) {
      add_combination(chain);
    } else if (chain.last == graph_.output()) {
      add_classifier(chain);
    } else {
      add_layer(chain);
    }
  }

  void add_layer(const Chain& chain) {
    const Node& head = graph_.node(chain.head);
    Layer layer{.name = head.name};
    if (const auto* linear = head.as<graph::Linear>()) {
      layer.linear = true;
      layer.shape = {.in_channels = linear->in_features,
                     .out_channels = linear->out_features,
                     .bias = linear->bias};
    } else {
      layer.shape = *head.as<graph::Convolution>();
    }
    layer.weights = integer_weights(values(head, "weight"), site(Place::weight, chain.head),
                                    head.name, settings_);
    layer.input = tensor_of_[index(head.inputs[0])];
    if (chain.add >= 0) layer.other = tensor_of_[index(chain.other)];
    const bool reads_image = layer.input == 0 && !out_.input().quantized;
    if (reads_image && settings_.variant == Variant::document) {
      layer.input_shift = settings_.input.fraction_bits();
    }
    const double input_scale = std::ldexp(tensor_of(head.inputs[0]).scale, -layer.input_shift);
    const int finer = extra_fraction_bits(layer);

    Grid grid = grid_at(chain.last, carrier(settings_.unquantized_activation));
    apply_activation(chain, grid);
    layer.requantization =
        requantization(chain, grid, std::ldexp(input_scale * layer.weights.scale, -finer),
                       layer.shape.bias ? values(head, "bias") : std::span<const float>(),
                       is_in_block(chain.head) ? settings_.middle : settings_.ends);
    layer.requantization.added_shift = finer;
    layer.requantization.fraction_bits += finer;
    layer.output = add_tensor(chain.last, grid);
    tighten(layer);
    out_.steps.push_back(std::move(layer));
  }

  // What carriers and unquantized weights have in fraction bits beyond the grids of 8-bit
  // quantizers: their rescale is smaller by as many powers of two, and a multiplier of F fraction
  // bits would lose its last digits. Document 002 has neither.
  int extra_fraction_bits(const Layer& layer) const {
    if (settings_.variant == Variant::document) return 0;
    int out = 0;
    if (!out_.tensor(layer.input).quantized) {
      out += std::ilogb(out_.tensor(layer.input).scale);
    }
    if (layer.weights.bits > kPlainWeightBits) {
      out += std::max(0, std::ilogb(layer.weights.scale) - (kPlainWeightBits - 1));
    }
    return out;
  }

  void add_combination(const Chain& chain) {
    const Node& head = graph_.node(chain.head);
    const NodeId from =
        chain.head == chain.add && head.inputs[0] == chain.other ? head.inputs[1] : head.inputs[0];
    const Tensor& input = tensor_of(from);
    // A batch norm by itself stays on its input's scale (facts A.9), in the width of its format.
    const bool is_norm = chain.norm >= 0;
    Grid alone = carrier(is_norm ? settings_.norm : settings_.unquantized_activation);
    if (is_norm) alone.make = alone.read = input.scale;
    Grid grid = grid_at(chain.last, alone);
    apply_activation(chain, grid);
    Requantization sums =
        requantization(chain, grid, input.scale, {}, is_norm ? settings_.norm : settings_.middle);
    Combination step{.name = graph_.node(chain.last).name,
                     .inputs = {tensor_of_[index(from)]},
                     .multipliers = {std::move(sums.multiplier)},
                     .offset = std::move(sums.offset),
                     .fraction_bits = sums.fraction_bits};
    if (chain.add >= 0) {
      step.inputs.push_back(tensor_of_[index(chain.other)]);
      step.multipliers.push_back({sums.other_multiplier});
    }
    step.output = add_tensor(chain.last, grid);
    tighten(step);
    out_.steps.push_back(std::move(step));
  }

  void add_classifier(const Chain& chain) {
    const Node& head = graph_.node(chain.head);
    const auto* linear = head.as<graph::Linear>();
    if (linear == nullptr || chain.last != chain.head) {
      refuse(graph_.node(chain.last), "expected a linear layer as the last node");
    }
    Classifier step{.name = head.name,
                    .in_features = linear->in_features,
                    .out_features = linear->out_features};
    step.weights = integer_weights(values(head, "weight"), site(Place::weight, chain.head),
                                   head.name, settings_);
    step.bias.resize(static_cast<std::size_t>(linear->out_features));
    if (linear->bias) std::ranges::copy(values(head, "bias"), step.bias.begin());
    step.input = tensor_of_[index(head.inputs[0])];
    out_.steps.push_back(std::move(step));
  }

  void add_node(NodeId id, const Node& node) {
    if (node.as<graph::Input>() != nullptr) {
      add_tensor(id, grid_at(id, carrier(settings_.input)));
    } else if (node.as<graph::GlobalAveragePool>() != nullptr) {
      add_mean(id, node);
    } else if (const auto* pool = node.as<graph::Pool>()) {
      if (pool->kind != graph::PoolKind::max) refuse(node, "expected a maximum or a global mean");
      add_moving(id, MaxPool{.name = node.name, .shape = *pool});
    } else if (const auto* shortcut = node.as<graph::ZeroPadShortcut>()) {
      add_moving(id, ShortcutPad{.name = node.name, .shape = *shortcut});
    } else if (node.as<graph::Dropout>() != nullptr ||
               (node.as<graph::Flatten>() != nullptr && site(Place::output, id) == nullptr)) {
      const TensorId from = tensor_of_[index(node.inputs[0])];
      if (out_.tensor(from).shape.elements() != out_.tensor(from).shape.channels &&
          node.as<graph::Flatten>() != nullptr) {
        refuse(node, "it reads an image of more than one position");
      }
      tensor_of_[index(id)] = from;
    } else {
      refuse(node, "expected convolutions, linear layers, batch norms, additions, ReLU, pools");
    }
  }

  // A step that moves codes and changes none.
  template <class T>
  void add_moving(NodeId id, T step) {
    if (site(Place::output, id) != nullptr) refuse(graph_.node(id), "a quantizer stands on it");
    step.input = tensor_of_[index(graph_.node(id).inputs[0])];
    const Tensor& input = out_.tensor(step.input);
    Grid same{input.scale, input.scale, input.low, input.high};
    same.low = std::min(same.low, 0);  // what a shortcut is padded with
    same.high = std::max(same.high, 0);
    step.output = add_tensor(id, same);
    out_.steps.push_back(std::move(step));
  }

  void add_mean(NodeId id, const Node& node) {
    const Tensor input = tensor_of(node.inputs[0]);
    const auto window = static_cast<std::uint64_t>(input.shape.height * input.shape.width);
    // Without a quantizer the sum itself is the code: nothing is lost.
    const auto times = static_cast<std::int32_t>(window);
    const double sum_scale = input.scale * static_cast<double>(window);
    const bool quantized = site(Place::output, id) != nullptr;
    const Grid grid = grid_at(id, {sum_scale, sum_scale, input.low * times, input.high * times});
    MeanPool step{.name = node.name, .input = tensor_of_[index(node.inputs[0])]};
    const double rescale = grid.make / input.scale;
    step.fraction_bits = quantized ? settings_.ends.fraction_bits() : 0;
    if (!quantized) {
      step.multiplier = 1;
    } else if (settings_.variant == Variant::document) {
      step.whole_mean = true;
      step.multiplier = fixed(rescale, settings_.ends);
    } else if (std::has_single_bit(window)) {  // the division is exact
      step.multiplier = fixed(rescale, settings_.ends);
      step.fraction_bits += std::countr_zero(window);
    } else {
      step.multiplier = fixed(rescale / static_cast<double>(window), settings_.ends);
    }
    step.output = add_tensor(id, grid);
    Tensor& output = out_.tensors.back();
    if (step.whole_mean) ++output.high;  // as its code clips
    out_.steps.push_back(std::move(step));
  }

  // A carrier's bounds, drawn in to the codes that can occur: nothing else changes.
  void tighten(const Layer& layer) {
    std::vector<Bounds> sums = accumulator_bounds(layer.weights, layer.shape.out_channels,
                                                  out_.tensor(layer.input), layer.input_shift);
    for (std::size_t c = 0; c < sums.size(); ++c) {
      sums[c] = sum_before_rounding(out_, layer, static_cast<std::int64_t>(c), sums[c]);
    }
    draw_in(sums, layer.requantization.fraction_bits);
  }

  void tighten(const Combination& step) {
    const std::int64_t channels = out_.tensors.back().shape.channels;
    std::vector<Bounds> sums;
    for (std::int64_t c = 0; c < channels; ++c) {
      Bounds sum;
      for (std::size_t i = 0; i < step.inputs.size(); ++i) {
        const auto& multipliers = step.multipliers[i];
        const std::size_t at = multipliers.size() == 1 ? 0 : static_cast<std::size_t>(c);
        sum = sum_of(sum, scaled(bounds_of(out_.tensor(step.inputs[i])), multipliers[at]));
      }
      const std::int64_t offset =
          step.offset.empty() ? 0 : step.offset[static_cast<std::size_t>(c)];
      sums.push_back(shifted_by(sum, offset));
    }
    draw_in(sums, step.fraction_bits);
  }

  void draw_in(const std::vector<Bounds>& sums, int fraction_bits) {
    Tensor& output = out_.tensors.back();
    if (output.quantized) return;
    std::int32_t low = output.high, high = output.low;
    for (const Bounds& sum : sums) {
      const kernels::Requantizer q{fraction_bits, settings_.rounding, output.low, output.high};
      low = std::min(low, kernels::requantized(sum.low, q));
      high = std::max(high, kernels::requantized(sum.high, q));
    }
    output.low = low;
    output.high = high;
  }

  const Graph& graph_;
  const quant::SitePlan& sites_;
  const graph::Parameters& parameters_;
  const Alphas& alphas_;
  const Settings& settings_;
  const std::vector<NodeId> layers_;
  std::vector<TensorId> tensor_of_;     // by node
  std::vector<const Chain*> chain_at_;  // by last node
  std::vector<Chain> chains_;
  std::set<NodeId> in_chain_;
  Network out_;
};

}  // namespace

Network build(const Graph& graph, const quant::SitePlan& sites, const graph::Parameters& parameters,
              const Alphas& alphas, const Settings& settings) {
  check_format(settings.ends, "quant.integer.ends");
  check_format(settings.middle, "quant.integer.middle");
  check_format(settings.norm, "quant.integer.norm");
  check_format(settings.unquantized_activation, "the carrier of unquantized activations");
  check_format(settings.input, "the carrier of the image");
  return Builder(graph, sites, parameters, alphas, settings).run();
}

}  // namespace bitsweep::integer
