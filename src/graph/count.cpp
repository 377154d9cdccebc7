#include "graph/count.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/check.h"

namespace bitsweep::graph {
namespace {

double mean_width(const Widths& widths) {
  if (widths.empty()) return config::kUnquantizedBits;
  return std::accumulate(widths.begin(), widths.end(), 0.0) / static_cast<double>(widths.size());
}

std::int64_t weight_bits(const Widths& widths, std::int64_t elements) {
  if (widths.empty()) return elements * config::kUnquantizedBits;
  const auto groups = static_cast<std::int64_t>(widths.size());
  return std::accumulate(widths.begin(), widths.end(), std::int64_t{0}) * (elements / groups);
}

std::int64_t bytes_for(std::int64_t bits) { return (bits + 7) / 8; }

bool is_module(const Node& node) {
  if (const auto* pool = node.as<GlobalAveragePool>()) return pool->style != PoolStyle::functional;
  if (const auto* pool = node.as<Pool>()) return pool->style != PoolStyle::functional;
  return node.has_weight() || node.as<BatchNorm>() != nullptr;
}

std::int64_t count_macs(const Node& node) {
  if (const auto* conv = node.as<Convolution>()) {
    return node.output.elements() * (conv->in_channels / conv->groups) * conv->kernel[0] *
           conv->kernel[1];
  }
  if (const auto* linear = node.as<Linear>()) return linear->in_features * linear->out_features;
  return 0;
}

std::int64_t count_average(PoolStyle style, std::int64_t window, std::int64_t outputs) {
  switch (style) {
    case PoolStyle::module:
      return outputs;
    case PoolStyle::adaptive_module:
      return (window + 1) * outputs;
    case PoolStyle::functional:
      return 0;
  }
  return 0;
}

// What the profiler counted beyond multiply-accumulates.
std::int64_t count_published_extra(const Graph& graph, const Node& node) {
  const std::int64_t outputs = node.output.elements();
  if (node.as<BatchNorm>() != nullptr) return 2 * outputs;
  if (const auto* pool = node.as<Pool>()) {
    if (pool->kind == PoolKind::max) return 0;
    return count_average(pool->style, std::int64_t{pool->kernel[0]} * pool->kernel[1], outputs);
  }
  if (const auto* pool = node.as<GlobalAveragePool>()) {
    const Shape& input = graph.node(node.inputs[0]).output;
    return count_average(pool->style, input.height * input.width, outputs);
  }
  return 0;
}

// Whether every output value is one of the input values or 0, and so lies on the input's grid.
bool keeps_grid(const Node& node) {
  if (const auto* activation = node.as<Activation>()) {
    return activation->kind == ActivationKind::relu || activation->kind == ActivationKind::relu6;
  }
  if (const auto* pool = node.as<Pool>()) return pool->kind == PoolKind::max;
  return node.as<Flatten>() != nullptr || node.as<Dropout>() != nullptr ||
         node.as<ZeroPadShortcut>() != nullptr || node.as<Concat>() != nullptr;
}

// Mean width of the tensor that each node hands on, by LayerCount::activation_bits.
class WidthFlow {
 public:
  WidthFlow(const Graph& graph, const BitTable& bits) : graph_(graph), bits_(bits) {
    for (NodeId id = 0; id <= graph.output(); ++id) {
      const Node& node = graph.node(id);
      double width = config::kUnquantizedBits;
      if (!at(id).output.empty()) {
        width = mean_width(at(id).output);
      } else if (keeps_grid(node)) {
        width = 0;
        for (int input = 0; input < static_cast<int>(node.inputs.size()); ++input) {
          width = std::max(width, read_by(id, input));
        }
      }
      widths_.push_back(width);
    }
  }

  // Width of what node `id` reads as its input `input`.
  double read_by(NodeId id, int input) const {
    for (const auto& [edge, widths] : at(id).edges) {
      if (edge == input) return mean_width(widths);
    }
    const NodeId source = graph_.node(id).inputs[static_cast<std::size_t>(input)];
    return widths_[static_cast<std::size_t>(source)];
  }

  const NodeBits& at(NodeId id) const {
    static const NodeBits none;
    return bits_.empty() ? none : bits_[static_cast<std::size_t>(id)];
  }

 private:
  const Graph& graph_;
  const BitTable& bits_;
  std::vector<double> widths_;
};

// Mean width over the elements that activation quantizers see.
double average_activation_bits(const Graph& graph, const BitTable& bits) {
  double weighted = 0;
  double elements = 0;
  const auto add = [&](const Widths& widths, NodeId source) {
    if (widths.empty()) return;
    const auto n = static_cast<double>(graph.node(source).output.elements());
    weighted += mean_width(widths) * n;
    elements += n;
  };
  for (std::size_t i = 0; i < bits.size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    add(bits[i].output, id);
    for (const auto& [input, widths] : bits[i].edges) {
      add(widths, graph.node(id).inputs[static_cast<std::size_t>(input)]);
    }
  }
  return elements > 0 ? weighted / elements : config::kUnquantizedBits;
}

}  // namespace

Counts count(const Graph& graph, const BitTable& bits) {
  BITSWEEP_CHECK(bits.empty() || bits.size() == graph.nodes().size(),
                 "{} widths for the {} nodes of {}", bits.size(), graph.nodes().size(),
                 graph.name());
  std::vector<std::int64_t> parameters(graph.nodes().size());
  std::vector<std::int64_t> weights(graph.nodes().size());
  for (const TensorSpec& spec : tensor_specs(graph)) {
    const auto at = static_cast<std::size_t>(spec.node);
    if (spec.trainable) parameters[at] += spec.elements();
    if (graph.node(spec.node).has_weight() && spec.shape.size() > 1) weights[at] = spec.elements();
  }

  const WidthFlow flow(graph, bits);
  Counts out;
  std::int64_t total_bits = 0;
  for (NodeId id = 0; id <= graph.output(); ++id) {
    const Node& node = graph.node(id);
    if (!is_module(node)) continue;
    const auto at = static_cast<std::size_t>(id);
    LayerCount layer;
    layer.node = id;
    layer.parameters = parameters[at];
    layer.macs = count_macs(node);
    layer.madds_published = layer.macs + count_published_extra(graph, node);
    layer.output_bits = mean_width(flow.at(id).output);
    if (node.has_weight()) {
      const Widths& widths = flow.at(id).weight;
      BITSWEEP_CHECK(widths.empty() || weights[at] % static_cast<std::int64_t>(widths.size()) == 0,
                     "'{}' has {} widths for {} weights", node.name, widths.size(), weights[at]);
      const std::int64_t layer_bits = weight_bits(widths, weights[at]);
      const std::int64_t scale_bytes = flow.at(id).weight_scales * kBytesPerScale;
      layer.weights = weights[at];
      layer.weight_bits = mean_width(widths);
      layer.activation_bits = flow.read_by(id, 0);
      layer.bops =
          std::llround(static_cast<double>(layer.macs) * layer.weight_bits * layer.activation_bits);
      layer.bytes = bytes_for(layer_bits) + scale_bytes;
      total_bits += layer_bits;
      out.total.scale_bytes += scale_bytes;
    }
    out.total.parameters += layer.parameters;
    out.total.macs += layer.macs;
    out.total.madds_published += layer.madds_published;
    out.total.weights += layer.weights;
    out.total.bops += layer.bops;
    out.layers.push_back(layer);
  }
  out.total.weight_bytes = bytes_for(total_bits);
  if (out.total.weights > 0) {
    out.total.weight_bits_average =
        static_cast<double>(total_bits) / static_cast<double>(out.total.weights);
  }
  out.total.activation_bits_average = average_activation_bits(graph, bits);
  return out;
}

}  // namespace bitsweep::graph
