#include "exec/inference.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "core/check.h"

namespace bitsweep::exec {

Inference::Inference(const graph::Graph& graph, const graph::Parameters& parameters,
                     at::Device device, std::vector<bool> skipped)
    : graph_(graph), device_(device), skipped_(std::move(skipped)) {
  const c10::InferenceMode inference;
  const std::size_t nodes = graph.nodes().size();
  skipped_.resize(nodes, false);
  tensors_ = node_tensors(graph, parameters, device);
  for (std::size_t id = 0; id < nodes; ++id) {
    last_user_.push_back(static_cast<graph::NodeId>(id));
    for (const graph::NodeId input : graph.nodes()[id].inputs) {
      last_user_[static_cast<std::size_t>(input)] = static_cast<graph::NodeId>(id);
    }
  }
}

at::Tensor Inference::run(const at::Tensor& images, const OutputHook& hook) const {
  const c10::InferenceMode inference;
  std::vector<at::Tensor> values(graph_.nodes().size());
  for (std::size_t id = 0; id < values.size(); ++id) {
    const graph::Node& node = graph_.nodes()[id];
    const auto self = static_cast<graph::NodeId>(id);
    at::Tensor& value = values[id];
    if (node.as<graph::Input>() != nullptr) {
      value = images;
    } else {
      // Moved out at their last use, so that an operator can tell that it may overwrite them. A
      // value that one node reads twice is moved at its second place and still shared at the first.
      std::vector<at::Tensor> inputs;
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        const graph::NodeId from = node.inputs[i];
        at::Tensor& input = values[static_cast<std::size_t>(from)];
        const bool again = std::find(node.inputs.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                     node.inputs.end(), from) != node.inputs.end();
        const bool last = last_user_[static_cast<std::size_t>(from)] == self && !again;
        inputs.push_back(last ? std::move(input) : input);
      }
      value = skipped_[id] ? inputs.front() : compute(node, inputs, tensors_[id]);
    }
    BITSWEEP_CHECK(value.size(1) == node.output.channels && value.size(2) == node.output.height &&
                       value.size(3) == node.output.width,
                   "'{}' computed {}x{}x{}", node.name, value.size(1), value.size(2),
                   value.size(3));
    if (hook) hook(self, value);
  }
  return values.back().flatten(1);
}

}  // namespace bitsweep::exec
