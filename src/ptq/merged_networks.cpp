#include "ptq/merged_networks.h"

#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <tuple>

#include "core/hash.h"

namespace bitsweep::ptq {
namespace {

using graph::NodeId;
using quant::Place;

// Equal things by one number each.
template <class T>
class Numbers {
 public:
  int of(const T& thing) {
    const auto found =
        std::ranges::find_if(things_, [&](const T* known) { return *known == thing; });
    const auto number = static_cast<int>(found - things_.begin());
    if (found == things_.end()) things_.push_back(&thing);
    return number;
  }

 private:
  std::vector<const T*> things_;
};

// Tensors in host memory by a number each: equal values, equal numbers.
class Contents {
 public:
  int of(const at::Tensor& tensor) {
    if (!tensor.defined()) return -1;
    const auto* data = static_cast<const std::byte*>(tensor.const_data_ptr());
    auto known = by_address_.find(data);
    if (known == by_address_.end()) {
      const std::string digest = sha256_hex(std::span(data, tensor.nbytes()));
      const int number =
          by_digest_.try_emplace(digest, static_cast<int>(by_digest_.size())).first->second;
      known = by_address_.emplace(data, number).first;
    }
    return known->second;
  }

 private:
  std::map<const std::byte*, int> by_address_;
  std::map<std::string, int> by_digest_;
};

// What the output of a node depends on.
struct Identity {
  const graph::Node* node = nullptr;  // equal networks have one graph (FloatNetworks)
  std::array<int, 4> tensors{};
  std::vector<int> inputs;
  bool passes_on = false;
  int quantizer = -1;
  int dynamic = -1;
  friend auto operator<=>(const Identity&, const Identity&) = default;
};

// `values` in the shape of `like`. from_blob takes no const pointer; nobody writes weights.
at::Tensor view_of(const std::vector<float>& values, const at::Tensor& like) {
  return at::from_blob(const_cast<float*>(values.data()), like.sizes(),
                       at::TensorOptions(at::kFloat));
}

class Merger {
 public:
  explicit Merger(at::Device device) : device_(device) {}

  void add(const Prepared& member) {
    const graph::Graph& graph = member.graph();
    const std::vector<bool> performed = performed_relus(member);
    const std::vector<exec::NodeTensors> tensors = tensors_of(member);
    std::vector<int> places;
    for (std::size_t id = 0; id < graph.nodes().size(); ++id) {
      MergedNode node;
      node.node = &graph.nodes()[id];
      node.tensors = tensors[id];
      for (const NodeId input : node.node->inputs) {
        node.inputs.push_back(places[static_cast<std::size_t>(input)]);
      }
      node.passes_on = performed[id] || node.node->as<graph::Dropout>() != nullptr;
      set_quantizer(node, member, static_cast<NodeId>(id));
      places.push_back(place_of(std::move(node)));
    }
    merged_.places.push_back(std::move(places));
  }

  MergedNetworks take() { return std::move(merged_); }

 private:
  // In host memory; they outlive this object with the member.
  std::vector<exec::NodeTensors> tensors_of(const Prepared& member) {
    auto& base = float_tensors_[member.network.get()];
    if (base.empty()) base = exec::node_tensors(member.graph(), member.network->weights, at::kCPU);
    std::vector<exec::NodeTensors> out = base;
    for (std::size_t i = 0; i < member.weights.size(); ++i) {
      if (member.weights[i] == nullptr) continue;
      exec::NodeTensors& layer = out[static_cast<std::size_t>(member.sites.sites[i].node)];
      layer.weight = view_of(member.weights[i]->values, layer.weight);
      if (!member.weights[i]->bias.empty()) {
        layer.bias = view_of(member.weights[i]->bias, layer.bias);
      }
    }
    return out;
  }

  static void set_quantizer(MergedNode& node, const Prepared& member, NodeId id) {
    const auto& sites = member.sites.sites;
    for (std::size_t i = 0; i < sites.size(); ++i) {
      if (sites[i].place != Place::output || sites[i].node != id) continue;
      if (member.dynamic) {
        node.dynamic = &sites[i];
      } else {
        node.quantizer = &member.quantizers[i];
      }
    }
  }

  int place_of(MergedNode node) {
    const bool quantized = node.quantizer != nullptr || node.dynamic != nullptr;
    if (node.passes_on && !quantized) return node.inputs.front();
    const exec::NodeTensors& t = node.tensors;
    Identity identity{node.node,
                      {contents_.of(t.weight), contents_.of(t.bias), contents_.of(t.running_mean),
                       contents_.of(t.running_var)},
                      node.inputs,
                      node.passes_on,
                      node.quantizer != nullptr ? quantizers_.of(*node.quantizer) : -1,
                      node.dynamic != nullptr ? sites_.of(*node.dynamic) : -1};
    const auto [known, is_new] = places_.try_emplace(std::move(identity), merged_.nodes.size());
    if (is_new) {
      for (at::Tensor* tensor : {&node.tensors.weight, &node.tensors.bias,
                                 &node.tensors.running_mean, &node.tensors.running_var}) {
        if (tensor->defined()) *tensor = tensor->to(device_);
      }
      merged_.nodes.push_back(std::move(node));
    }
    return static_cast<int>(known->second);
  }

  at::Device device_;
  MergedNetworks merged_;
  std::map<Identity, std::size_t> places_;
  std::map<const FloatNetwork*, std::vector<exec::NodeTensors>> float_tensors_;
  Contents contents_;
  Numbers<Quantizer> quantizers_;
  Numbers<quant::QuantizerSite> sites_;
};

}  // namespace

MergedNetworks merge(std::span<const Prepared* const> members, at::Device device) {
  const c10::InferenceMode inference;
  Merger merger(device);
  for (const Prepared* member : members) merger.add(*member);
  return merger.take();
}

}  // namespace bitsweep::ptq
