#include "graph/signs.h"

#include <algorithm>

namespace bitsweep::graph {
namespace {

bool clamps_at_zero(const Activation& activation) {
  switch (activation.kind) {
    case ActivationKind::relu:
    case ActivationKind::relu6:
    case ActivationKind::hard_sigmoid:
    case ActivationKind::hard_sigmoid_fifth:
      return true;
    case ActivationKind::hard_swish:
      return false;
  }
  return false;
}

// Nodes whose output is not negative where no input is.
bool keeps_sign(const Node& node) {
  return node.as<Add>() != nullptr || node.as<Multiply>() != nullptr ||
         node.as<Concat>() != nullptr || node.as<Pool>() != nullptr ||
         node.as<GlobalAveragePool>() != nullptr || node.as<ZeroPadShortcut>() != nullptr ||
         node.as<Flatten>() != nullptr || node.as<Dropout>() != nullptr;
}

}  // namespace

bool is_never_negative(const Graph& graph, NodeId id) {
  const Node& node = graph.node(id);
  if (const auto* activation = node.as<Activation>()) return clamps_at_zero(*activation);
  return keeps_sign(node) && std::ranges::all_of(node.inputs, [&](NodeId input) {
           return is_never_negative(graph, input);
         });
}

}  // namespace bitsweep::graph
