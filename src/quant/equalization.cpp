#include "quant/equalization.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

namespace bitsweep::quant {
namespace {

using graph::Graph;
using graph::NodeId;

constexpr int kMostSweeps = 100;
constexpr double kSettled = 1e-3;

// Whether node(s·x) = s·node(x) for every positive factor a channel.
bool commutes(const graph::Node& node) {
  if (const auto* activation = node.as<graph::Activation>()) {
    return activation->kind == graph::ActivationKind::relu;
  }
  if (node.as<graph::Flatten>() != nullptr) {
    return node.output.height == 1 && node.output.width == 1;
  }
  return node.as<graph::Pool>() != nullptr || node.as<graph::GlobalAveragePool>() != nullptr ||
         node.as<graph::Dropout>() != nullptr;
}

// The layer that alone reads `id`, through what commutes; −1 where there is none.
NodeId next_layer(const Graph& graph, NodeId id) {
  const std::int64_t channels = graph.node(id).output.channels;
  while (true) {
    const std::vector<NodeId> users = graph.users(id);
    if (users.size() != 1 || id == graph.output()) return -1;
    id = users.front();
    if (graph.node(id).has_weight()) return id;
    // A Flatten of more than one pixel, which is refused, would change the number of channels.
    if (!commutes(graph.node(id)) || graph.node(id).output.channels != channels) return -1;
  }
}

struct Layout {
  std::int64_t outputs = 0;
  std::int64_t inputs_of_group = 0;
  std::int64_t kernel = 1;  // elements
  std::int64_t groups = 1;
};

Layout layout_of(const graph::Node& node) {
  if (const auto* linear = node.as<graph::Linear>()) {
    return {linear->out_features, linear->in_features, 1, 1};
  }
  const auto& conv = *node.as<graph::Convolution>();
  return {conv.out_channels, conv.in_channels / conv.groups,
          std::int64_t{conv.kernel[0]} * conv.kernel[1], conv.groups};
}

// The weights of one layer by output and by input channel.
class Weight {
 public:
  Weight(const Graph& graph, NodeId node, graph::Parameters& parameters)
      : layout_(layout_of(graph.node(node))),
        values_(parameters.values(graph.node(node).name + ".weight")) {}

  template <class Visit>
  void visit_output(std::int64_t channel, Visit visit) {
    const std::int64_t n = layout_.inputs_of_group * layout_.kernel;
    for (float& value : values_.subspan(to_size(channel * n), to_size(n))) visit(value);
  }

  template <class Visit>
  void visit_input(std::int64_t channel, Visit visit) {
    const std::int64_t group = channel / layout_.inputs_of_group;
    const std::int64_t within = channel % layout_.inputs_of_group;
    const std::int64_t outputs = layout_.outputs / layout_.groups;
    for (std::int64_t o = group * outputs; o < (group + 1) * outputs; ++o) {
      const std::int64_t begin = (o * layout_.inputs_of_group + within) * layout_.kernel;
      for (float& value : values_.subspan(to_size(begin), to_size(layout_.kernel))) visit(value);
    }
  }

 private:
  static std::size_t to_size(std::int64_t i) { return static_cast<std::size_t>(i); }

  Layout layout_;
  std::span<float> values_;
};

// The largest |ln s| of the pair's factors.
double equalize_pair(const Graph& graph, const EqualizedPair& pair, graph::Parameters& parameters) {
  Weight first(graph, pair.first, parameters);
  Weight second(graph, pair.second, parameters);
  const std::string bias_name = graph.node(pair.first).name + ".bias";
  const bool has_bias = parameters.contains(bias_name);
  double farthest = 0;
  for (std::int64_t c = 0; c < graph.node(pair.first).output.channels; ++c) {
    double r1 = 0;
    double r2 = 0;
    first.visit_output(c, [&](float w) { r1 = std::max(r1, std::abs(static_cast<double>(w))); });
    second.visit_input(c, [&](float w) { r2 = std::max(r2, std::abs(static_cast<double>(w))); });
    const double s = std::sqrt(r1 * r2) / r2;
    if (!std::isfinite(s) || s <= 0) continue;
    first.visit_output(c, [&](float& w) { w = static_cast<float>(w / s); });
    second.visit_input(c, [&](float& w) { w = static_cast<float>(w * s); });
    if (has_bias) {
      float& b = parameters.values(bias_name)[static_cast<std::size_t>(c)];
      b = static_cast<float>(b / s);
    }
    farthest = std::max(farthest, std::abs(std::log(s)));
  }
  return farthest;
}

}  // namespace

std::vector<EqualizedPair> equalizable_pairs(const Graph& graph) {
  std::vector<EqualizedPair> out;
  for (NodeId id = 0; id <= graph.output(); ++id) {
    if (!graph.node(id).has_weight()) continue;
    const NodeId second = next_layer(graph, id);
    if (second >= 0) out.push_back({id, second});
  }
  return out;
}

void equalize(const Graph& graph, graph::Parameters& parameters) {
  const std::vector<EqualizedPair> pairs = equalizable_pairs(graph);
  for (int sweep = 0; sweep < kMostSweeps; ++sweep) {
    double farthest = 0;
    for (const EqualizedPair& pair : pairs) {
      farthest = std::max(farthest, equalize_pair(graph, pair, parameters));
    }
    if (farthest <= kSettled) return;
  }
}

}  // namespace bitsweep::quant
