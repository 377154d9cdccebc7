#include "graph/passes.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace bitsweep::graph {
namespace {

// The user of each node where there is exactly one, else -1.
std::vector<NodeId> only_users(const Graph& graph) {
  constexpr NodeId kSeveral = -2;
  std::vector<NodeId> out(graph.nodes().size(), -1);
  for (NodeId id = 0; id <= graph.output(); ++id) {
    for (const NodeId input : graph.node(id).inputs) {
      NodeId& user = out[static_cast<std::size_t>(input)];
      user = user == -1 || user == id ? id : kSeveral;
    }
  }
  std::replace(out.begin(), out.end(), kSeveral, -1);
  return out;
}

Attributes with_bias(const Node& layer) {
  if (const auto* conv = layer.as<Convolution>()) {
    Convolution out = *conv;
    out.bias = true;
    return out;
  }
  Linear out = *layer.as<Linear>();
  out.bias = true;
  return out;
}

// In float32, operation by operation: where a folded weight lies next to a tie of its grid, another
// order or a wider type takes it to the other code, and one code of 268,336 changed 1.5 % of
// ResNet20's correct images at 4 bits.
void fold_layer(const Node& layer, const Node& norm, const Parameters& from, Parameters& to) {
  const auto gamma = from.values(norm.name + ".weight");
  const auto beta = from.values(norm.name + ".bias");
  const auto mean = from.values(norm.name + ".running_mean");
  const auto variance = from.values(norm.name + ".running_var");
  const auto weight = from.values(layer.name + ".weight");
  const auto folded_weight = to.values(layer.name + ".weight");
  const auto folded_bias = to.values(layer.name + ".bias");
  const std::string bias_name = layer.name + ".bias";
  const bool has_bias = from.contains(bias_name);

  const std::size_t channels = gamma.size();
  const std::size_t per_channel = weight.size() / channels;
  for (std::size_t c = 0; c < channels; ++c) {
    const float inverse_deviation =
        1.0F / std::sqrt(variance[c] + static_cast<float>(norm.as<BatchNorm>()->eps));
    for (std::size_t i = c * per_channel; i < (c + 1) * per_channel; ++i) {
      folded_weight[i] = weight[i] * inverse_deviation * gamma[c];
    }
    const float bias = has_bias ? from.values(bias_name)[c] : 0.0F;
    folded_bias[c] = (bias - mean[c]) * inverse_deviation * gamma[c] + beta[c];
  }
}

// `graph` without the batch norms in `norm_behind` (norms_behind()).
Folding fold(const Graph& graph, const std::vector<NodeId>& norm_behind) {
  Folding out{Graph(graph.name()), {}, {}};
  const auto new_node = [&](NodeId id) { return out.node_of[static_cast<std::size_t>(id)]; };
  for (NodeId id = 0; id <= graph.output(); ++id) {
    const Node& node = graph.node(id);
    if (node.as<Input>() != nullptr) {
      out.node_of.push_back(out.graph.add_input(node.name, node.output));
      out.folded_norm.push_back(-1);
      continue;
    }
    if (norm_behind[static_cast<std::size_t>(node.inputs[0])] == id) {
      out.node_of.push_back(new_node(node.inputs[0]));
      continue;
    }
    const NodeId norm = norm_behind[static_cast<std::size_t>(id)];
    std::vector<NodeId> inputs;
    for (const NodeId input : node.inputs) inputs.push_back(new_node(input));
    out.node_of.push_back(
        out.graph.add(node.name, norm >= 0 ? with_bias(node) : node.attributes, std::move(inputs)));
    out.folded_norm.push_back(norm);
  }
  if (graph.stated_bit_map()) {
    BitMap bits = *graph.stated_bit_map();
    for (BitPlace& place : bits.weights) place.node = new_node(place.node);
    for (BitPlace& place : bits.outputs) place.node = new_node(place.node);
    out.graph.set_bit_map(std::move(bits));
  }
  return out;
}

}  // namespace

std::vector<NodeId> norms_behind(const Graph& graph) {
  std::vector<NodeId> out = only_users(graph);
  for (NodeId id = 0; id <= graph.output(); ++id) {
    NodeId& user = out[static_cast<std::size_t>(id)];
    const bool normed =
        graph.node(id).has_weight() && user >= 0 && graph.node(user).as<BatchNorm>() != nullptr;
    if (!normed) user = -1;
  }
  return out;
}

Folding fold_batch_norm(const Graph& graph) { return fold(graph, norms_behind(graph)); }

Folding keep_batch_norm(const Graph& graph) {
  return fold(graph, std::vector<NodeId>(graph.nodes().size(), -1));
}

Parameters fold_parameters(const Folding& folding, const Graph& graph,
                           const Parameters& parameters) {
  Parameters out(folding.graph);
  for (const TensorSpec& spec : out.specs()) {
    if (folding.folded_norm[static_cast<std::size_t>(spec.node)] >= 0) continue;
    std::ranges::copy(parameters.values(spec.name), out.values(spec.name).begin());
  }
  for (NodeId id = 0; id <= folding.graph.output(); ++id) {
    const NodeId norm = folding.folded_norm[static_cast<std::size_t>(id)];
    if (norm >= 0) fold_layer(folding.graph.node(id), graph.node(norm), parameters, out);
  }
  return out;
}

std::vector<bool> fused_relu(const Graph& graph) {
  std::vector<bool> out;
  for (const NodeId user : only_users(graph)) {
    const auto* activation = user >= 0 ? graph.node(user).as<Activation>() : nullptr;
    out.push_back(activation != nullptr && activation->kind == ActivationKind::relu);
  }
  return out;
}

}  // namespace bitsweep::graph
