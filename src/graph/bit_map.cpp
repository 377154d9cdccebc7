#include "graph/bit_map.h"

#include <fmt/format.h>

#include "core/text.h"
#include "graph/graph.h"

namespace bitsweep::graph {
namespace {

bool is_activation(const Node& node) { return node.as<Activation>() != nullptr; }

std::optional<Spot> spot_of(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (is_activation(node)) {
    const bool sums = graph.node(node.inputs[0]).as<Add>() != nullptr;
    return sums ? Spot::after_add : Spot::inside;
  }
  if (node.as<Add>() != nullptr) {
    const std::vector<NodeId> users = graph.users(id);
    const bool leaves_it = users.size() == 1 && is_activation(graph.node(users[0]));
    return leaves_it ? std::nullopt : std::optional(Spot::after_add);
  }
  const auto* pool = node.as<Pool>();
  const bool averages = pool != nullptr && pool->kind == PoolKind::average;
  if (averages || node.as<GlobalAveragePool>() != nullptr) return Spot::pool;
  return std::nullopt;
}

}  // namespace

std::string list_text(const std::vector<BitEntry>& entries) {
  std::vector<std::string> out;
  for (const BitEntry& entry : entries) {
    if (entry.is_listed) out.push_back(fmt::format("{} {}", out.size(), entry.what));
  }
  return join(out, "; ");
}

BitMap default_bit_map(const Graph& graph) {
  BitMap out;
  for (NodeId id = 0; id <= graph.output(); ++id) {
    const Node& node = graph.node(id);
    if (node.has_weight()) {
      out.weights.push_back({id, out.weight_entries.size()});
      out.weight_entries.push_back({node.name});
      out.output_entries.push_back({"behind " + node.name});
    } else if (const auto spot = spot_of(graph, id);
               spot && id != graph.output() && !out.output_entries.empty()) {
      out.outputs.push_back({id, out.output_entries.size() - 1, *spot});
    }
  }
  return out;
}

}  // namespace bitsweep::graph
