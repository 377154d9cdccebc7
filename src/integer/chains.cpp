#include "integer/chains.h"

#include <algorithm>
#include <optional>

namespace bitsweep::integer {
namespace {

using graph::Graph;
using graph::Node;
using graph::NodeId;

// A node's place within a chain.
std::optional<int> place_of(const Node& node) {
  if (node.has_weight()) return 0;
  if (node.as<graph::BatchNorm>() != nullptr) return 1;
  if (node.as<graph::Add>() != nullptr) return 2;
  if (node.as<graph::Activation>() != nullptr) return 3;
  return std::nullopt;
}

void extend(Chain& chain, NodeId id, const Node& node) {
  if (node.as<graph::BatchNorm>() != nullptr) chain.norm = id;
  if (node.as<graph::Activation>() != nullptr) chain.activation = id;
  if (node.as<graph::Add>() != nullptr) {
    const bool second = chain.last >= 0 && node.inputs[1] == chain.last;
    chain.other = node.inputs[second ? 0 : 1];
    chain.add = id;
  }
  chain.last = id;
}

// The only reader of `id`, where it can join the same chain.
std::optional<NodeId> joining(const Graph& graph, const quant::SitePlan& sites, NodeId id,
                              const std::vector<bool>& taken) {
  if (sites.find(quant::Place::output, id) != nullptr) return std::nullopt;
  const std::vector<NodeId> users = graph.users(id);
  if (users.size() != 1 || taken[static_cast<std::size_t>(users[0])]) return std::nullopt;
  const Node& user = graph.node(users[0]);
  const auto place = place_of(user);
  if (!place || *place <= *place_of(graph.node(id))) return std::nullopt;
  // Of the two that an addition reads, the later one takes it; and x + x reads one.
  const bool is_latest =
      std::ranges::all_of(user.inputs, [&](NodeId input) { return input <= id; });
  if (user.as<graph::Add>() != nullptr && (!is_latest || user.inputs[0] == user.inputs[1])) {
    return std::nullopt;
  }
  return users[0];
}

}  // namespace

std::vector<Chain> find_chains(const Graph& graph, const quant::SitePlan& sites) {
  std::vector<Chain> out;
  std::vector<bool> taken(graph.nodes().size(), false);
  for (NodeId id = 0; id <= graph.output(); ++id) {
    const Node& node = graph.node(id);
    if (taken[static_cast<std::size_t>(id)] || !place_of(node)) continue;
    Chain chain{.head = id};
    extend(chain, id, node);
    taken[static_cast<std::size_t>(id)] = true;
    while (const auto next = joining(graph, sites, chain.last, taken)) {
      extend(chain, *next, graph.node(*next));
      taken[static_cast<std::size_t>(*next)] = true;
    }
    out.push_back(chain);
  }
  std::ranges::stable_sort(out, {}, &Chain::last);
  return out;
}

}  // namespace bitsweep::integer
