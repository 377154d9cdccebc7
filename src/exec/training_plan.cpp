#include "exec/training_plan.h"

#include <limits>
#include <map>
#include <optional>

#include "core/check.h"
#include "core/error.h"

namespace bitsweep::exec {
namespace {

using graph::ActivationKind;
using graph::Node;
using graph::NodeId;
using quant::Place;
using quant::Role;

// The place of a node within a fused step; none for a node that has none.
std::optional<int> fused_place(const Node& node) {
  if (node.as<graph::BatchNorm>() != nullptr) return 0;
  if (node.as<graph::Add>() != nullptr) return 1;
  if (node.as<graph::Activation>() != nullptr) return 2;
  return std::nullopt;
}

kernels::NonlinearityParams nonlinearity(ActivationKind kind) {
  switch (kind) {
    case ActivationKind::relu:
      return {kernels::Nonlinearity::clamp, 0.0F, std::numeric_limits<float>::infinity()};
    case ActivationKind::relu6:
      return {kernels::Nonlinearity::clamp, 0.0F, 6.0F};
    case ActivationKind::hard_swish:
      return {kernels::Nonlinearity::hard_swish};
    case ActivationKind::hard_sigmoid:
      return {kernels::Nonlinearity::hard_sigmoid};
    case ActivationKind::hard_sigmoid_fifth:
      return {kernels::Nonlinearity::hard_sigmoid_fifth};
  }
  BITSWEEP_CHECK(false, "activation kind {}", static_cast<int>(kind));
}

class Planner {
 public:
  Planner(const graph::Graph& graph, const quant::SitePlan& sites)
      : graph_(graph),
        sites_(sites),
        weight_site_(graph.nodes().size(), kNone),
        output_site_(graph.nodes().size(), kNone),
        gradient_site_(graph.nodes().size(), kNone),
        slot_of_(graph.nodes().size(), kNone),
        absorbed_(graph.nodes().size(), false),
        claimed_(graph.nodes().size(), false) {
    for (std::size_t i = 0; i < sites.sites.size(); ++i) place(sites.sites[i], static_cast<int>(i));
  }

  TrainingPlan run() {
    for (NodeId id = 0; id <= graph_.output(); ++id) {
      const Node& node = graph_.node(id);
      if (absorbed_[index(id)]) continue;
      if (node.as<graph::Input>() != nullptr) {
        plan_.input = slot_of_[index(id)] = add_slot(id, false);
        quantize_output(id);
      } else if (node.has_weight()) {
        const SlotId x = slot(node.inputs[0]);
        slot_of_[index(id)] = add_slot(id, true);
        plan_.steps.push_back(
            LayerStep{id, x, slot(id), weight_site_[index(id)], gradient_site_[index(id)]});
        quantize_output(id);
      } else if (fused_place(node)) {
        fuse_from(id);
      } else {
        add_op(id);
      }
    }
    plan_.output = slot(graph_.output());
    return std::move(plan_);
  }

 private:
  static std::size_t index(NodeId id) { return static_cast<std::size_t>(id); }
  SlotId slot(NodeId id) const { return slot_of_[index(id)]; }

  void place(const quant::QuantizerSite& site, int position) {
    if (site.role != Role::forward || site.place == Place::edge) {
      throw ConfigError(fmt::format("'{}': training has no place for a quantizer of {} yet",
                                    graph_.node(site.node).name,
                                    site.place == Place::edge ? "one edge" : "a backward role"));
    }
    std::vector<int>& of_node = site.place == Place::weight   ? weight_site_
                                : site.place == Place::output ? output_site_
                                                              : gradient_site_;
    of_node[index(site.node)] = position;
  }

  SlotId add_slot(NodeId id, bool needs_gradient) {
    plan_.shapes.push_back(graph_.node(id).output);
    plan_.node_of.push_back(id);
    plan_.needs_gradient.push_back(needs_gradient);
    return static_cast<SlotId>(plan_.shapes.size()) - 1;
  }

  bool any_needs_gradient(const std::vector<SlotId>& slots) const {
    for (const SlotId slot : slots) {
      if (plan_.needs_gradient[static_cast<std::size_t>(slot)]) return true;
    }
    return false;
  }

  // A node's value was computed outside a fused step, and a quantizer stands on it.
  void quantize_output(NodeId id) {
    if (output_site_[index(id)] == kNone) return;
    if (learns_its_step(id)) return add_learned_grid(id);
    FusedStep step;
    step.nodes = {id};
    step.x = slot(id);
    step.output_site = output_site_[index(id)];
    add_fused(std::move(step));
  }

  // A grid that no fused step knows.
  bool learns_its_step(NodeId id) const {
    const int site = output_site_[index(id)];
    return site != kNone && sites_.sites[static_cast<std::size_t>(site)].quantizer == "lsq";
  }

  void add_learned_grid(NodeId id) {
    LearnedGridStep step{.node = id, .x = slot(id), .output_site = output_site_[index(id)]};
    step.y = slot_of_[index(id)] = add_slot(id, true);
    plan_.steps.push_back(step);
  }

  void add_op(NodeId id) {
    OpStep step{.node = id, .x = {}, .y = kNone};
    for (const NodeId input : graph_.node(id).inputs) step.x.push_back(slot(input));
    step.y = slot_of_[index(id)] = add_slot(id, any_needs_gradient(step.x));
    plan_.steps.push_back(std::move(step));
    quantize_output(id);
  }

  void add_fused(FusedStep step) {
    std::vector<SlotId> inputs = {step.x};
    if (step.other != kNone) inputs.push_back(step.other);
    const NodeId last = step.nodes.back();
    // γ, β and α are parameters, too; but no gradient needs to arrive before the first of them.
    const bool learns = step.norm >= 0 || step.output_site != kNone;
    step.y = slot_of_[index(last)] = add_slot(last, learns || any_needs_gradient(inputs));
    plan_.steps.push_back(std::move(step));
  }

  // The user of `id` that may join its step: the only one, further on in the step's order, and
  // with nothing between them.
  std::optional<NodeId> next_of(NodeId id) const {
    if (output_site_[index(id)] != kNone || id == graph_.output()) return std::nullopt;
    const std::vector<NodeId> users = graph_.users(id);
    if (users.size() != 1 || claimed_[index(users[0])]) return std::nullopt;
    const Node& user = graph_.node(users[0]);
    const auto place = fused_place(user);
    if (!place || *place <= *fused_place(graph_.node(id))) return std::nullopt;
    if (user.inputs.size() == 2 && user.inputs[0] == user.inputs[1]) return std::nullopt;
    return users[0];
  }

  // A chain of nodes runs at the place of its last one, where all that it reads is there.
  void fuse_from(NodeId id) {
    const auto started = starts_.find(id);
    std::vector<NodeId> nodes =
        started == starts_.end() ? std::vector<NodeId>{id} : started->second;
    if (started == starts_.end()) {
      while (const auto next = next_of(nodes.back())) nodes.push_back(*next);
      const NodeId last = nodes.back();
      if (last != id) {
        for (const NodeId node : nodes) {
          claimed_[index(node)] = true;
          absorbed_[index(node)] = node != last;
        }
        starts_[last] = std::move(nodes);
        return;
      }
    }
    const NodeId last = nodes.back();
    add_fused(chain(std::move(nodes)));
    if (learns_its_step(last)) add_learned_grid(last);
  }

  FusedStep chain(std::vector<NodeId> nodes) const {
    FusedStep step;
    step.x = slot(graph_.node(nodes[0]).inputs[0]);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      const Node& node = graph_.node(nodes[i]);
      if (node.as<graph::BatchNorm>() != nullptr) step.norm = nodes[i];
      if (node.as<graph::Add>() != nullptr) {
        const bool second = i > 0 && node.inputs[1] == nodes[i - 1];
        step.other = slot(node.inputs[second ? 0 : 1]);
      }
      if (const auto* activation = node.as<graph::Activation>()) {
        step.nonlinearity = nonlinearity(activation->kind);
      }
    }
    if (!learns_its_step(nodes.back())) step.output_site = output_site_[index(nodes.back())];
    step.nodes = std::move(nodes);
    return step;
  }

  const graph::Graph& graph_;
  const quant::SitePlan& sites_;
  std::vector<int> weight_site_;  // by node
  std::vector<int> output_site_;
  std::vector<int> gradient_site_;
  std::vector<SlotId> slot_of_;  // by node: its value, quantized where a quantizer stands on it
  std::vector<bool> absorbed_;   // by node: computed by a step that ends at a later node
  std::vector<bool> claimed_;    // by node: part of a step of several nodes
  std::map<NodeId, std::vector<NodeId>> starts_;  // last node of a chain → its nodes
  TrainingPlan plan_;
};

}  // namespace

TrainingPlan plan_training(const graph::Graph& graph, const quant::SitePlan& sites) {
  return Planner(graph, sites).run();
}

}  // namespace bitsweep::exec
