#include "worker/bench_train.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/add.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/fused_moving_avg_obs_fake_quant.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/InferenceMode.h>

#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/check.h"
#include "exec/device.h"
#include "exec/training.h"
#include "kernels/optimizer.h"
#include "kernels/softmax_loss.h"
#include "models/model.h"
#include "worker/bench_times.h"

namespace bitsweep::worker {
namespace {

constexpr std::int64_t kBatch = 128;
constexpr kernels::SgdOptions kSgd{0.9F, 5e-4F, false};
constexpr float kRate = 0.01F;

graph::Graph network() {
  config::ModelConfig config;
  config.name = "resnet20";
  config.shortcut = "B";
  return models::build_model(config, 10);
}

struct Batch {
  at::Tensor images = at::randn({kBatch, 3, 32, 32}).contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor labels = at::randint(10, {kBatch}, at::TensorOptions(at::kInt));
};

// Weights of every layer and the value behind every activation at `bits`, as document 002 has it.
quant::SitePlan sites(const graph::Graph& graph, const std::string& activation, int bits) {
  quant::SitePlan plan;
  for (graph::NodeId id = 0; id <= graph.output(); ++id) {
    quant::QuantizerSite site;
    site.node = id;
    site.bits = bits;
    site.alpha_init = 6;
    if (graph.node(id).has_weight()) {
      site.place = quant::Place::weight;
      site.quantizer = "tanh_symmetric";
    } else if (graph.node(id).as<graph::Activation>() != nullptr) {
      site.quantizer = activation;
    } else {
      continue;
    }
    plan.sites.push_back(site);
  }
  return plan;
}

class OurStep {
 public:
  OurStep(const graph::Graph& graph, quant::SitePlan sites, config::Precision precision)
      : training_(graph, std::move(sites), precision, at::kCPU) {
    // Any values will do; the running variances among them are not read in training.
    const c10::InferenceMode inference;
    training_.parameters().copy_(at::randn(training_.parameters().sizes()).mul(0.1));
    momenta_.resize(static_cast<std::size_t>(training_.parameters().numel()));
    grad_ = at::empty({kBatch, 10}, at::TensorOptions(at::kFloat));
  }

  void operator()(const Batch& batch) {
    const at::Tensor logits = training_.forward(batch.images, exec::NormMode::train);
    kernels::LossSum sum;
    kernels::softmax_loss_cpu(logits.const_data_ptr<float>(),
                              batch.labels.const_data_ptr<std::int32_t>(), kBatch, 10, 0.0,
                              grad_.mutable_data_ptr<float>(), &sum);
    training_.backward(grad_);
    auto* parameters = training_.parameters().mutable_data_ptr<float>();
    const auto* gradients = training_.gradients().const_data_ptr<float>();
    for (const auto& s : training_.segments()) {
      kernels::sgd_step_cpu(parameters + s.offset, momenta_.data() + s.offset, gradients + s.offset,
                            s.size, kSgd, &kRate);
    }
  }

 private:
  exec::Training training_;
  std::vector<float> momenta_;
  at::Tensor grad_;
};

// LibTorch's fused observer and fake-quantize operator, as its quantization-aware training has it:
// 8 bits per tensor, signed and symmetric for weights, unsigned and affine for activations.
class FakeQuantize {
 public:
  explicit FakeQuantize(bool of_weights) : of_weights_(of_weights) {}

  at::Tensor operator()(const at::Tensor& x) {
    constexpr double kAveraging = 0.01;
    return at::fused_moving_avg_obs_fake_quant(
        x, on_, on_, low_, high_, scale_, zero_point_, kAveraging, of_weights_ ? -127 : 0,
        of_weights_ ? 127 : 255, /*ch_axis=*/-1, /*per_row_fake_quant=*/false, of_weights_);
  }

 private:
  static at::Tensor unset(float value) { return at::full({1}, value); }

  bool of_weights_;
  at::Tensor on_ = at::ones({1}, at::TensorOptions(at::kLong));
  at::Tensor low_ = unset(std::numeric_limits<float>::infinity());
  at::Tensor high_ = unset(-std::numeric_limits<float>::infinity());
  at::Tensor scale_ = at::ones({1});
  at::Tensor zero_point_ = at::zeros({1}, at::TensorOptions(at::kInt));
};

enum class EagerQuantizers { none, fake_quantize };

// The same graph by LibTorch's operators and autograd.
class EagerStep {
 public:
  EagerStep(const graph::Graph& graph, config::Precision precision,
            EagerQuantizers quantizers = EagerQuantizers::none)
      : graph_(graph), type_(precision == config::Precision::bf16 ? at::kBFloat16 : at::kFloat) {
    if (quantizers == EagerQuantizers::fake_quantize) {
      for (graph::NodeId id = 0; id <= graph.output(); ++id) {
        const graph::Node& node = graph.node(id);
        if (node.has_weight()) quantizers_.emplace(node.name, FakeQuantize(true));
        if (node.as<graph::Activation>() != nullptr) {
          quantizers_.emplace(node.name, FakeQuantize(false));
        }
      }
    }
    graph::Parameters parameters(graph);
    for (const graph::TensorSpec& spec : parameters.specs()) {
      at::Tensor tensor = at::randn(spec.shape).mul(0.1);
      if (spec.name.ends_with("running_var")) tensor = tensor.abs().add(1);
      if (tensor.dim() == 4) tensor = tensor.contiguous(at::MemoryFormat::ChannelsLast);
      if (spec.trainable) {
        tensor.requires_grad_();
        trained_.push_back(tensor);
        momenta_.push_back(at::zeros_like(tensor));
      }
      tensors_[spec.name] = tensor;
    }
  }

  void operator()(const Batch& batch) {
    for (at::Tensor& tensor : trained_) tensor.mutable_grad().reset();
    std::vector<at::Tensor> values;
    for (const graph::Node& node : graph_.nodes()) values.push_back(compute(node, values, batch));
    const at::Tensor loss =
        at::cross_entropy_loss(values.back().to(at::kFloat), batch.labels.to(at::kLong));
    loss.backward();
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < trained_.size(); ++i) {
      const at::Tensor d = trained_[i].grad().add(trained_[i], kSgd.weight_decay);
      momenta_[i].mul_(kSgd.momentum).add_(d);
      trained_[i].add_(momenta_[i], -kRate);
    }
  }

 private:
  at::Tensor tensor(const graph::Node& node, const char* kind) const {
    const auto it = tensors_.find(node.name + "." + kind);
    return it == tensors_.end() ? at::Tensor() : it->second;
  }

  at::Tensor quantized(const graph::Node& node, const at::Tensor& x) {
    const auto found = quantizers_.find(node.name);
    return found == quantizers_.end() ? x : found->second(x);
  }

  at::Tensor compute(const graph::Node& node, const std::vector<at::Tensor>& values,
                     const Batch& batch) {
    const auto in = [&](std::size_t i) { return values[static_cast<std::size_t>(node.inputs[i])]; };
    if (node.as<graph::Input>() != nullptr) return batch.images.to(type_);
    if (const auto* c = node.as<graph::Convolution>()) {
      return at::conv2d(in(0), quantized(node, tensor(node, "weight").to(type_)), {},
                        {c->stride[0], c->stride[1]}, {c->padding.top, c->padding.left});
    }
    if (const auto* n = node.as<graph::BatchNorm>()) {
      return at::batch_norm(in(0), tensor(node, "weight"), tensor(node, "bias"),
                            tensor(node, "running_mean"), tensor(node, "running_var"), true,
                            n->momentum, n->eps, false);
    }
    if (node.as<graph::Activation>() != nullptr) return quantized(node, at::relu(in(0)));
    if (node.as<graph::Add>() != nullptr) return at::add(in(0), in(1));
    if (node.as<graph::GlobalAveragePool>() != nullptr) return at::mean(in(0), {2, 3});
    BITSWEEP_CHECK(node.as<graph::Linear>() != nullptr, "'{}' in the benchmark", node.name);
    return at::linear(in(0), quantized(node, tensor(node, "weight").to(type_)),
                      tensor(node, "bias").to(type_));
  }

  const graph::Graph& graph_;
  at::ScalarType type_;
  std::map<std::string, at::Tensor> tensors_;
  std::vector<at::Tensor> trained_, momenta_;
  std::map<std::string, FakeQuantize> quantizers_;  // by node
};

struct Times {
  std::vector<double> ours, peer, peer_over_ours;
};

template <class Ours, class Peer>
Times measure(Ours& ours, Peer& peer, const Batch& batch, int repeats) {
  for (int i = 0; i < 2; ++i) {  // touches memory, chooses convolutions
    ours(batch);
    peer(batch);
  }
  Times out;
  for (int i = 0; i < repeats; ++i) {
    out.peer.push_back(seconds([&] { peer(batch); }));
    out.ours.push_back(seconds([&] { ours(batch); }));
    out.peer_over_ours.push_back(out.peer.back() / out.ours.back());
  }
  return out;
}

nlohmann::json row(const std::string& name, const std::string& peer, const Times& times,
                   double ratio, const std::string& note, const TrainBenchOptions& options) {
  return {{"name", name},
          {"peer", peer},
          {"unit", "images per second"},
          {"ours", kBatch / median(times.ours)},
          {"peer_value", kBatch / median(times.peer)},
          {"ratio", ratio},
          {"repeats", options.repeats},
          {"threads", options.threads},
          {"note", note}};
}

}  // namespace

nlohmann::json bench_train(const TrainBenchOptions& options) {
  exec::set_threads(options.threads);
  const graph::Graph graph = network();
  const Batch batch;
  nlohmann::json rows = nlohmann::json::array();
  std::vector<std::pair<const char*, config::Precision>> precisions = {
      {"FP32", config::Precision::fp32}};
  if (exec::has_bf16()) precisions.emplace_back("bf16", config::Precision::bf16);
  for (const auto& [name, precision] : precisions) {
    OurStep ours(graph, {}, precision);
    EagerStep peer(graph, precision);
    const Times times = measure(ours, peer, batch, options.repeats);
    rows.push_back(row(fmt::format("ResNet20 step, {}", name), "eager LibTorch", times,
                       median(times.peer_over_ours),
                       "images per second; ratio is eager LibTorch's time over ours", options));
  }
  OurStep full(graph, {}, config::Precision::fp32);
  OurStep dorefa(graph, sites(graph, "dorefa_clamp", 8), config::Precision::fp32);
  const auto inverse = [](std::vector<double> values) {
    for (double& value : values) value = 1 / value;
    return median(std::move(values));
  };
  for (const std::string quantizer : {"dorefa_clamp", "pact", "mpact"}) {
    OurStep qat(graph, sites(graph, quantizer, 8), config::Precision::fp32);
    const Times beside_full = measure(qat, full, batch, options.repeats);
    rows.push_back(row(fmt::format("ResNet20 W8A8 step, {}", quantizer), "our FP32 step",
                       beside_full, inverse(beside_full.peer_over_ours),
                       "images per second; ratio is its time over that of FP32", options));
    EagerStep eager(graph, config::Precision::fp32, EagerQuantizers::fake_quantize);
    const Times beside_eager = measure(qat, eager, batch, options.repeats);
    rows.push_back(row(fmt::format("ResNet20 W8A8 step, {} beside eager", quantizer),
                       "eager LibTorch with its fake-quantize operators", beside_eager,
                       median(beside_eager.peer_over_ours),
                       "images per second; ratio is eager LibTorch's time over ours", options));
    if (quantizer == "dorefa_clamp") continue;
    const Times beside_dorefa = measure(qat, dorefa, batch, options.repeats);
    rows.push_back(row(fmt::format("ResNet20 W8A8 step, {} beside DoReFa", quantizer),
                       "our DoReFa step", beside_dorefa, inverse(beside_dorefa.peer_over_ours),
                       "images per second; ratio is its time over that of DoReFa", options));
  }
  return rows;
}

}  // namespace bitsweep::worker
