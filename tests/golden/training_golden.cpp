// Document 002's blocks and a few steps of training, through the training executor: each network is
// written here by hand from facts 002 A.1 to A.3, node by node with its quantizers, so that no
// builder of models or scheme stands between the golden values and the executor.
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <vector>

#include "config/trial.h"
#include "core/error.h"
#include "exec/device.h"
#include "exec/training.h"
#include "golden.h"
#include "graph/graph.h"
#include "graph/parameters.h"
#include "kernels/optimizer.h"
#include "kernels/softmax_loss.h"
#include "train/optimizer.h"

namespace bitsweep::golden {
namespace {

using exec::NormMode;
using graph::NodeId;
using graph::Shape;

constexpr int kFullPrecision = 32;  // no quantizer (facts A.4)
constexpr const char* kAlpha = ".scale_coef";

// The tensors that a case starts from, by name: weights, running statistics, α.
class State {
 public:
  explicit State(const Case& golden) {
    for (const auto& [name, node] : golden.inputs.at("state").items()) {
      arrays_[name] = read_array(node, golden.folder);
    }
  }
  bool has(const std::string& name) const { return arrays_.contains(name); }
  const Array& at(const std::string& name) const {
    const auto found = arrays_.find(name);
    if (found == arrays_.end()) throw DataError("the case has no state '" + name + "'");
    return found->second;
  }
  const std::map<std::string, Array>& all() const { return arrays_; }

 private:
  std::map<std::string, Array> arrays_;
};

struct Widths {
  int weight = 8;
  int activation = 8;
};

// A network under construction, its nodes named as the state names their tensors.
class Builder {
 public:
  Builder(const State& state, Widths widths, Shape input)
      : state_(state), widths_(widths), graph_("golden") {
    graph_.add_input("input", input);
  }

  // Channels, kernel, groups and bias are those of the weight; padding keeps the size of odd
  // kernels.
  NodeId conv(const std::string& name, NodeId x, int stride = 1) {
    const std::vector<std::int64_t>& shape = state_.at(name + ".weight").shape;
    const std::int64_t in_channels = channels(x);
    const auto kernel = static_cast<int>(shape.at(2));
    const NodeId node = graph_.add(
        name,
        graph::Convolution{.in_channels = in_channels,
                           .out_channels = shape.at(0),
                           .kernel = {kernel, kernel},
                           .stride = {stride, stride},
                           .padding = graph::Padding::all(kernel % 2 == 1 ? kernel / 2 : 0),
                           .groups = in_channels / shape.at(1),
                           .bias = state_.has(name + ".bias")},
        {x});
    return quantized_weight(node);
  }

  NodeId linear(const std::string& name, NodeId x) {
    const std::vector<std::int64_t>& shape = state_.at(name + ".weight").shape;
    return quantized_weight(graph_.add(
        name, graph::Linear{.in_features = shape.at(1), .out_features = shape.at(0)}, {x}));
  }

  NodeId norm(const std::string& name, NodeId x) {
    return graph_.add(name, graph::BatchNorm{.features = channels(x)}, {x});
  }

  NodeId activation(const std::string& name, graph::ActivationKind kind, NodeId x) {
    return graph_.add(name, graph::Activation{kind}, {x});
  }

  NodeId add(const std::string& name, NodeId a, NodeId b) {
    return graph_.add(name, graph::Add{}, {a, b});
  }

  NodeId average(const std::string& name, NodeId x) {
    return graph_.add(name, graph::GlobalAveragePool{}, {x});
  }

  // The output of `x` is quantized with the learned α that the state calls `name`.
  NodeId mpact(const std::string& name, NodeId x) {
    quant::QuantizerSite site = output_site(x, "mpact");
    site.alpha_init = state_.at(name + kAlpha).data.at(0);
    alpha_of_[graph_.node(x).name] = name + kAlpha;
    return placed(std::move(site));
  }

  NodeId dorefa_clamp(NodeId x) { return placed(output_site(x, "dorefa_clamp")); }

  std::int64_t channels(NodeId node) const { return graph_.node(node).output.channels; }
  bool has(const std::string& name) const { return state_.has(name); }

  const graph::Graph& graph() const { return graph_; }
  const quant::SitePlan& sites() const { return sites_; }
  // The state's name for the α that clamps the output of a node.
  const std::string& alpha_of(const std::string& node) const { return alpha_of_.at(node); }

 private:
  static quant::QuantizerSite site(quant::Place place, NodeId node, const char* quantizer,
                                   int bits) {
    quant::QuantizerSite out;
    out.place = place;
    out.node = node;
    out.quantizer = quantizer;
    out.bits = bits;
    return out;
  }

  quant::QuantizerSite output_site(NodeId node, const char* quantizer) const {
    return site(quant::Place::output, node, quantizer, widths_.activation);
  }

  NodeId quantized_weight(NodeId node) {
    return placed(site(quant::Place::weight, node, "tanh_symmetric", widths_.weight));
  }

  NodeId placed(quant::QuantizerSite site) {
    const NodeId node = site.node;
    if (site.bits != kFullPrecision) sites_.sites.push_back(std::move(site));
    return node;
  }

  const State& state_;
  Widths widths_;
  graph::Graph graph_;
  quant::SitePlan sites_;
  std::map<std::string, std::string> alpha_of_;
};

// ---- the blocks; `p` is what their names begin with ----

// Convolution, batch norm, quantizer; no ReLU (A.1, stem and header).
NodeId conv_norm(Builder& b, NodeId x, int stride, const std::string& p = "") {
  x = b.norm(p + "bn", b.conv(p + "conv", x, stride));
  return b.mpact(p + "act_quant_out", x);
}

// A.1, "ConvNeXt-like block".
NodeId convnext(Builder& b, NodeId x, int stride, const std::string& p = "") {
  if (b.has(p + "downsample.weight")) {
    x = b.conv(p + "downsample", b.norm(p + "norm", x), stride);
    b.mpact(p + "actq_down", x);
  }
  const NodeId identity = x;
  x = b.norm(p + "bn1", b.conv(p + "conv1", x));
  x = b.conv(p + "conv2", b.mpact(p + "act_quant_in1", x));
  x = b.activation(p + "relu", graph::ActivationKind::relu, x);
  x = b.conv(p + "conv3", b.mpact(p + "act_quant_in2", x));
  return b.mpact(p + "act_quant_out", b.add(p + "add", x, identity));
}

// A.2: the shortcut of a stride-1 block is always a convolution.
NodeId mobile(Builder& b, NodeId x, int stride, const std::string& p = "") {
  const NodeId input = x;
  x = b.norm(p + "bn1", b.conv(p + "conv1", x));
  x = b.mpact(p + "act_quant1", b.activation(p + "relu1", graph::ActivationKind::relu6, x));
  x = b.norm(p + "bn2", b.conv(p + "conv2", x, stride));
  x = b.mpact(p + "act_quant2", b.activation(p + "relu2", graph::ActivationKind::relu6, x));
  x = b.norm(p + "bn3", b.conv(p + "conv3", x));
  if (stride == 1) {
    const NodeId shortcut = b.norm(p + "shortcut.1", b.conv(p + "shortcut.0", input));
    x = b.add(p + "add", x, b.mpact(p + "act_quant4", shortcut));
  }
  return b.mpact(p + "act_quant3", x);
}

// A.3: the clamp after the addition is its ReLU.
NodeId residual(Builder& b, NodeId x, int stride, const std::string& p = "") {
  const NodeId input = x;
  x = b.norm(p + "bn1", b.conv(p + "conv1", x, stride));
  x = b.dorefa_clamp(b.activation(p + "relu", graph::ActivationKind::relu, x));
  x = b.norm(p + "bn2", b.conv(p + "conv2", x));
  NodeId identity = input;
  if (stride != 1 || b.channels(input) != b.channels(x)) {
    identity = b.norm(p + "bn3", b.conv(p + "identity_conv", input, stride));
    b.dorefa_clamp(identity);
  }
  return b.dorefa_clamp(b.add(p + "add", x, identity));
}

// ---- tensors ----

at::Tensor to_tensor(std::span<const float> values, const std::vector<std::int64_t>& shape) {
  at::Tensor out = at::empty(shape, at::TensorOptions(at::kFloat));
  std::copy(values.begin(), values.end(), out.mutable_data_ptr<float>());
  return out;
}

at::Tensor to_tensor(const Array& array) { return to_tensor(array.floats(), array.shape); }

Json packed(const at::Tensor& tensor) {
  const at::Tensor rows = tensor.contiguous();
  return pack(std::span(rows.const_data_ptr<float>(), static_cast<std::size_t>(rows.numel())),
              rows.sizes().vec());
}

// The executor with the state of a case; builder and state outlive it.
class Network {
 public:
  Network(const Builder& builder, const State& state)
      : builder_(builder),
        training_(builder.graph(), builder.sites(), config::Precision::fp32, at::kCPU) {
    graph::Parameters parameters(builder.graph());
    for (const graph::TensorSpec& spec : parameters.specs()) {
      const std::vector<float> values = state.at(spec.name).floats();
      const std::span<float> to = parameters.values(spec.name);
      if (values.size() != to.size())
        throw DataError("another shape than the network's " + spec.name);
      std::copy(values.begin(), values.end(), to.begin());
    }
    training_.load(parameters);
  }

  exec::Training& training() { return training_; }

  at::Tensor forward(const at::Tensor& x, NormMode mode) {
    training_.forward(x.contiguous(at::MemoryFormat::ChannelsLast), mode);
    return training_.value(builder_.graph().output()).clone();
  }

  // A flat buffer of the executor in pieces, by the state's names.
  Json tensors(const at::Tensor& flat, bool trainable) const {
    Json out = Json::object();
    std::int64_t offset = 0;
    for (const graph::TensorSpec& spec : graph::tensor_specs(builder_.graph())) {
      if (spec.trainable == trainable) {
        out[spec.name] = packed(flat.narrow(0, offset, spec.elements()).view(spec.shape));
      }
      offset += spec.elements();
    }
    return out;
  }

  // Of α or its gradient, likewise.
  Json alphas(const at::Tensor& flat) const {
    Json out = Json::object();
    const std::vector<std::string>& nodes = training_.alpha_names();
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      out[builder_.alpha_of(nodes[i])] = flat.const_data_ptr<float>()[i];
    }
    return out;
  }

 private:
  const Builder& builder_;
  exec::Training training_;
};

// ---- doc002_blocks ----

// Beside the params, or where they are missing beside the kind.
int number(const Case& golden, const char* name) {
  return (golden.has(name) ? golden.params : golden.all).at(name).get<int>();
}

Json zero_for_idle_alphas(const State& state) {
  Json out = Json::object();
  for (const auto& [name, array] : state.all()) {
    if (name.ends_with(kAlpha)) out[name] = 0.0;
  }
  return out;
}

using Block = NodeId (*)(Builder&, NodeId, int stride, const std::string& prefix);

template <Block kBlock>
Json run_block(const Case& golden) {
  exec::set_threads(1);
  const c10::InferenceMode inference;
  const State state(golden);
  const at::Tensor x = to_tensor(golden.input("x"));
  Builder builder(state, {number(golden, "weight_bits"), number(golden, "activation_bits")},
                  {x.size(1), x.size(2), x.size(3)});
  kBlock(builder, 0, number(golden, "stride"), "");
  Network network(builder, state);
  exec::Training& training = network.training();
  training.want_input_gradient(true);

  Json answer;
  answer["y_eval"] = packed(network.forward(x, NormMode::evaluate));
  answer["y_train"] = packed(network.forward(x, NormMode::train));
  training.backward(to_tensor(golden.input("grad_out")).flatten(1));
  answer["grad_x"] = packed(training.input_gradient());
  answer["grads"] = zero_for_idle_alphas(state);
  answer["grads"].update(network.tensors(training.gradients(), true));
  answer["grads"].update(network.alphas(training.alpha_gradients()));
  answer["running_stats_after"] = network.tensors(training.parameters(), false);
  return answer;
}

// ---- doc002_training_steps ----

// α of quantizers of 32 bits: nothing passes through them, but penalty and weight decay move them.
class IdleAlphas {
 public:
  IdleAlphas(const State& state, const exec::Training& training, const Builder& builder) {
    for (const auto& [name, array] : state.all()) {
      if (!name.ends_with(kAlpha)) continue;
      const auto quantizes = [&](const std::string& node) {
        return builder.alpha_of(node) == name;
      };
      if (std::ranges::any_of(training.alpha_names(), quantizes)) continue;
      names_.push_back(name);
      values_.push_back(array.floats().at(0));
    }
    momentum_.resize(values_.size());
  }

  std::span<const float> values() const { return values_; }

  void step(double lambda, const kernels::SgdOptions& options, float lr) {
    std::vector<float> gradients;
    for (const float alpha : values_) gradients.push_back(static_cast<float>(2 * lambda * alpha));
    kernels::sgd_step_cpu(values_.data(), momentum_.data(), gradients.data(),
                          static_cast<std::int64_t>(values_.size()), options, &lr);
  }

  Json json() const {
    Json out = Json::object();
    for (std::size_t i = 0; i < names_.size(); ++i) out[names_[i]] = values_[i];
    return out;
  }

 private:
  std::vector<std::string> names_;
  std::vector<float> values_, momentum_;
};

double sum_of_squares(std::span<const float> values) {
  double sum = 0;
  for (const float v : values) sum += static_cast<double>(v) * v;
  return sum;
}

void small_net(Builder& b) {
  NodeId x = conv_norm(b, 0, 1, "stem.");
  const int stride = 2;
  x = convnext(b, x, stride, "block.");
  b.linear("fc", b.mpact("actq", b.average("pool", x)));
}

Json run_steps(const Case& golden) {
  exec::set_threads(1);
  const c10::InferenceMode inference;
  const State state(golden);
  const at::Tensor x = to_tensor(golden.input("x"));  // [steps, batch, channels, height, width]
  const std::vector<std::int32_t> labels = golden.input("labels").ints();  // [steps, batch]
  Builder builder(state, {golden.get<int>("w_bits"), golden.get<int>("a_bits")},
                  {x.size(2), x.size(3), x.size(4)});
  small_net(builder);
  Network network(builder, state);
  exec::Training& training = network.training();

  config::TrainConfig config;
  config.optimizer = "sgd";
  config.momentum = golden.get<double>("momentum");
  config.weight_decay = golden.get<double>("weight_decay");
  train::Optimizer optimizer(config, config.weight_decay, training);
  const kernels::SgdOptions sgd{static_cast<float>(config.momentum),
                                static_cast<float>(config.weight_decay), config.nesterov};
  IdleAlphas idle(state, training, builder);
  const auto lambda = golden.get<double>("lambda");
  const std::vector<double> rates = golden.param("lr").data;

  std::vector<double> losses;
  for (std::int64_t step = 0; step < x.size(0); ++step) {
    const std::int64_t batch = x.size(1);
    const at::Tensor logits = training.forward(
        x.select(0, step).contiguous(at::MemoryFormat::ChannelsLast), NormMode::train);
    const at::Tensor grad = at::empty(logits.sizes(), logits.options());
    kernels::LossSum sum{};
    kernels::softmax_loss_cpu(logits.const_data_ptr<float>(), labels.data() + step * batch, batch,
                              logits.size(1), 0.0, grad.mutable_data_ptr<float>(), &sum);
    const at::Tensor& alphas = training.alphas();
    const double squares =
        sum_of_squares({alphas.const_data_ptr<float>(), static_cast<std::size_t>(alphas.numel())}) +
        sum_of_squares(idle.values());
    losses.push_back(sum.loss / static_cast<double>(batch) + lambda * squares);
    training.backward(grad);
    training.alpha_gradients().add_(alphas, 2 * lambda);
    const double lr = rates.at(static_cast<std::size_t>(step));
    optimizer.step(lr);
    idle.step(lambda, sgd, static_cast<float>(lr));
  }

  Json final_state = network.tensors(training.parameters(), true);
  final_state.update(network.tensors(training.parameters(), false));
  final_state.update(network.alphas(training.alphas()));
  final_state.update(idle.json());
  return {{"loss", losses}, {"final_state", final_state}};
}

}  // namespace

void register_training(Handlers& handlers) {
  const std::string blocks = "doc002_blocks";
  handlers.add({.topic = blocks, .kinds = {"convnorm"}, .run = run_block<conv_norm>});
  handlers.add({.topic = blocks, .kinds = {"convnext"}, .run = run_block<convnext>});
  handlers.add({.topic = blocks, .kinds = {"mbv2"}, .run = run_block<mobile>});
  handlers.add({.topic = blocks, .kinds = {"resblock"}, .run = run_block<residual>});
  handlers.add({.topic = "doc002_training_steps", .kinds = {}, .run = run_steps});
}

}  // namespace bitsweep::golden
