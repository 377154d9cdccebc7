#include "exec/training.h"

#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "core/check.h"
#include "core/error.h"
#include "exec/quantized_gradient.h"
#include "kernels/weight_quantizer.h"
#include "quant/site_quantizers.h"

namespace bitsweep::exec {
namespace {

using kernels::Stream;
using kernels::WeightQuantizer;
using kernels::WeightQuantizerState;

// Random streams of the steps, one each.
constexpr std::uint32_t kDropoutStream = 0x10000;
constexpr std::uint32_t kGradientStream = 0x20000;

std::size_t at_index(int i) { return static_cast<std::size_t>(i); }

}  // namespace

Training::Training(const graph::Graph& graph, quant::SitePlan sites, config::Precision precision,
                   at::Device device)
    : graph_(graph),
      sites_(std::move(sites)),
      device_(device),
      type_(precision == config::Precision::bf16 ? at::kBFloat16 : at::kFloat),
      plan_(plan_training(graph, sites_)),
      scratch_(device) {
  const c10::InferenceMode inference;
  make_parameters();
  layers_.resize(plan_.steps.size());
  fused_.resize(plan_.steps.size());
  contexts_.resize(plan_.steps.size());
  learned_.resize(plan_.steps.size());
  std::int64_t scratch_size = 0;
  for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
    if (const auto* layer = std::get_if<LayerStep>(&plan_.steps[i])) {
      scratch_size += make_layer(*layer, i, scratch_size);
    } else if (const auto* fused = std::get_if<FusedStep>(&plan_.steps[i])) {
      make_fused(*fused, i);
    } else if (const auto* grid = std::get_if<LearnedGridStep>(&plan_.steps[i])) {
      make_learned_grid(*grid, i);
    }
  }
  const auto floats = at::TensorOptions(at::kFloat).device(device_);
  alphas_ = at::empty({static_cast<std::int64_t>(first_alphas_.size())}, floats);
  alphas_.copy_(
      at::from_blob(first_alphas_.data(), alphas_.sizes(), at::TensorOptions(at::kFloat)));
  alpha_gradients_ = at::zeros(alphas_.sizes(), floats);
  first_alphas_ = {};
  tanh_ = at::empty({scratch_size}, at::TensorOptions(at::kDouble).device(device_));
  share_ = at::zeros({static_cast<std::int64_t>(plan_.steps.size())},
                     at::TensorOptions(at::kDouble).device(device_));
  values_.resize(plan_.shapes.size());
  buffers_.resize(plan_.shapes.size());
  arriving_.resize(plan_.shapes.size());
}

void Training::make_parameters() {
  specs_ = graph::tensor_specs(graph_);
  std::int64_t total = 0;
  for (const graph::TensorSpec& spec : specs_) {
    offsets_.push_back(total);
    if (spec.trainable) {
      const bool norm = graph_.node(spec.node).as<graph::BatchNorm>() != nullptr;
      const bool bias = spec.name.ends_with(".bias");
      segments_.push_back({spec.name, total, spec.elements(),
                           norm   ? ParameterKind::norm
                           : bias ? ParameterKind::bias
                                  : ParameterKind::weight});
    }
    total += spec.elements();
  }
  const auto floats = at::TensorOptions(at::kFloat).device(device_);
  parameters_ = at::zeros({total}, floats);
  gradients_ = at::zeros({total}, floats);
}

at::Tensor Training::view(const at::Tensor& flat, graph::NodeId node, std::string_view kind) const {
  const std::string name = fmt::format("{}.{}", graph_.node(node).name, kind);
  const auto it = std::ranges::find(specs_, name, &graph::TensorSpec::name);
  if (it == specs_.end()) return {};
  return flat.narrow(0, offsets_[static_cast<std::size_t>(it - specs_.begin())], it->elements())
      .view(it->shape);
}

std::int64_t Training::make_layer(const LayerStep& step, std::size_t index,
                                  std::int64_t scratch_offset) {
  LayerState& layer = layers_[index];
  layer.weight = view(parameters_, step.node, "weight");
  layer.bias = view(parameters_, step.node, "bias");
  layer.weight_gradient = view(gradients_, step.node, "weight");
  layer.bias_gradient = view(gradients_, step.node, "bias");
  layer.operand = layer.weight;
  if (type_ != at::kFloat)
    layer.operand = at::empty(layer.weight.sizes(), layer.weight.options().dtype(type_));
  if (step.gradient_site != kNone) {
    layer.gradient.bits = sites_.sites[at_index(step.gradient_site)].bits;
  }
  if (step.weight_site == kNone) return 0;
  quant::weight_quantizer(sites_.sites[at_index(step.weight_site)], graph_.node(step.node).name);
  layer.scratch_offset = scratch_offset;
  layer.quantized = at::empty_like(layer.weight);
  layer.quantizer_state = at::empty({static_cast<std::int64_t>(sizeof(WeightQuantizerState))},
                                    at::TensorOptions(at::kByte).device(device_));
  if (type_ == at::kFloat) layer.operand = layer.quantized;
  return layer.weight.numel();
}

void Training::make_fused(const FusedStep& step, std::size_t index) {
  FusedState& fused = fused_[index];
  if (step.norm >= 0) {
    const auto* norm = graph_.node(step.norm).as<graph::BatchNorm>();
    fused.norm = {.gamma = view(parameters_, step.norm, "weight"),
                  .beta = view(parameters_, step.norm, "bias"),
                  .running_mean = view(parameters_, step.norm, "running_mean"),
                  .running_var = view(parameters_, step.norm, "running_var"),
                  .gamma_gradient = view(gradients_, step.norm, "weight"),
                  .beta_gradient = view(gradients_, step.norm, "bias"),
                  .eps = norm->eps};
    fused.momentum = norm->momentum;
    fused.affine = empty_affine(norm->features, device_);
  }
  if (step.output_site != kNone) {
    const quant::QuantizerSite& site = sites_.sites[at_index(step.output_site)];
    fused.quantizer = quant::clamp_quantizer(site, graph_.node(site.node).name);
    if (fused.quantizer.learns()) fused.alpha = add_alpha(site.node, site.alpha_init);
  }
}

void Training::make_learned_grid(const LearnedGridStep& step, std::size_t index) {
  const quant::QuantizerSite& site = sites_.sites[at_index(step.output_site)];
  learned_[index] = {.quantizer = {.bits = site.bits, .is_unsigned = site.half_range},
                     .alpha = add_alpha(site.node, site.alpha_init)};
}

int Training::add_alpha(graph::NodeId node, double first) {
  first_alphas_.push_back(static_cast<float>(first));
  alpha_names_.push_back(graph_.node(node).name);
  return static_cast<int>(first_alphas_.size()) - 1;
}

void Training::load(const graph::Parameters& parameters) {
  const c10::InferenceMode inference;
  const std::span<const float> flat = parameters.flat();
  BITSWEEP_CHECK(static_cast<std::int64_t>(flat.size()) == parameters_.numel(),
                 "{} values for {} parameters", flat.size(), parameters_.numel());
  parameters_.copy_(at::from_blob(const_cast<float*>(flat.data()), parameters_.sizes(),
                                  at::TensorOptions(at::kFloat)));
}

void Training::store(graph::Parameters& parameters) const {
  const c10::InferenceMode inference;
  const std::span<float> flat = parameters.flat();
  BITSWEEP_CHECK(static_cast<std::int64_t>(flat.size()) == parameters_.numel(),
                 "{} values for {} parameters", flat.size(), parameters_.numel());
  at::from_blob(flat.data(), parameters_.sizes(), at::TensorOptions(at::kFloat)).copy_(parameters_);
}

bool Training::wants_gradient(SlotId slot) const {
  return plan_.needs_gradient[at_index(slot)] || wants_input_gradient_;
}

// ---- forwards ----

void Training::quantize_weight(LayerState& layer, const LayerStep& step) const {
  if (step.weight_site != kNone) {
    const WeightQuantizer quantizer = quant::weight_quantizer(
        sites_.sites[at_index(step.weight_site)], graph_.node(step.node).name);
    const auto* w = layer.weight.const_data_ptr<float>();
    auto* w_q = layer.quantized.mutable_data_ptr<float>();
    auto* tanh_w = tanh_.mutable_data_ptr<double>() + layer.scratch_offset;
    auto* state = static_cast<WeightQuantizerState*>(layer.quantizer_state.mutable_data_ptr());
    if (device_.is_cuda()) {
      kernels::quantize_weights_cuda(w, w_q, tanh_w, layer.weight.numel(), quantizer, state,
                                     Stream{});
    } else {
      kernels::quantize_weights_cpu(w, w_q, tanh_w, layer.weight.numel(), quantizer, state);
    }
  }
  if (type_ != at::kFloat) {
    layer.operand.copy_(step.weight_site != kNone ? layer.quantized : layer.weight);
  }
}

void Training::run(const LayerStep& step, std::size_t index) {
  LayerState& layer = layers_[index];
  quantize_weight(layer, step);
  const at::Tensor bias =
      layer.bias.defined() && type_ != at::kFloat ? layer.bias.to(type_) : layer.bias;
  values_[at_index(step.y)]
      .reset();  // the last step's goes first, so that its memory is used again
  values_[at_index(step.y)] =
      layer_forward(graph_.node(step.node), values_[at_index(step.x)], layer.operand, bias);
}

kernels::FusedLayer Training::layer_of(const FusedStep& step, std::size_t index) const {
  const FusedState& fused = fused_[index];
  kernels::FusedLayer layer = fused_layer(values_[at_index(step.x)]);
  layer.nonlinearity = step.nonlinearity;
  layer.quantizer = fused.quantizer;
  if (fused.alpha != kNone) layer.alpha = alphas_.const_data_ptr<float>() + fused.alpha;
  return layer;
}

// A buffer of the slot's own, made for the largest batch so far; smaller ones use its beginning.
at::Tensor& Training::value_buffer(SlotId slot, const at::Tensor& like) {
  at::Tensor& buffer = buffers_[at_index(slot)];
  if (!buffer.defined() || buffer.size(0) < like.size(0)) {
    buffer = at::empty(like.sizes(), like.options().memory_format(at::MemoryFormat::ChannelsLast));
  }
  at::Tensor& value = values_[at_index(slot)];
  value = buffer.narrow(0, 0, like.size(0));
  return value;
}

void Training::run(const FusedStep& step, std::size_t index) {
  FusedState& fused = fused_[index];
  const at::Tensor& x = values_[at_index(step.x)];
  if (step.norm >= 0) {
    if (mode_ == NormMode::evaluate) {
      norm_from_running(fused.norm, fused.affine);
    } else {
      norm_from_batch(x, fused.norm, share_.narrow(0, static_cast<std::int64_t>(index), 1),
                      scratch_, fused.affine);
    }
    if (sites_.batch_norm) fix_norm(fused.affine, *sites_.batch_norm);
  }
  const at::Tensor other = step.other != kNone ? values_[at_index(step.other)] : at::Tensor();
  at::Tensor& y = value_buffer(step.y, x);
  fused_forward(layer_of(step, index), x, fused.affine, other, y);
}

void Training::run(const LearnedGridStep& step, std::size_t index) {
  LearnedGridState& learned = learned_[index];
  const at::Tensor& x = values_[at_index(step.x)];
  at::Tensor alpha = alphas_.narrow(0, learned.alpha, 1);
  if (finds_steps_ && alpha.item<float>() == 0) alpha.fill_(first_step_size(learned.quantizer, x));
  learned.grid = learned_grid(learned.quantizer, alpha.item<float>());
  learned_step_forward(x, learned.grid, value_buffer(step.y, x));
}

void Training::find_steps(const at::Tensor& images) {
  const c10::InferenceMode inference;
  const auto starts_at_zero = [&](const LearnedGridState& learned) {
    return learned.alpha != kNone && alphas_.narrow(0, learned.alpha, 1).item<float>() == 0;
  };
  if (std::ranges::none_of(learned_, starts_at_zero)) return;
  const at::Tensor before = parameters_.clone();
  finds_steps_ = true;
  forward(images, NormMode::train);
  finds_steps_ = false;
  parameters_.copy_(before);
}

void Training::run(const OpStep& step, std::size_t index) {
  std::vector<at::Tensor> x;
  for (const SlotId slot : step.x) x.push_back(values_[at_index(slot)]);
  values_[at_index(step.y)] = op_forward(graph_.node(step.node), x, contexts_[index]);
}

at::Tensor Training::forward(const at::Tensor& images, NormMode mode, StepAddress address) {
  const c10::InferenceMode inference;
  const graph::Shape& shape = plan_.shapes[at_index(plan_.input)];
  BITSWEEP_CHECK(images.dim() == 4 && images.size(1) == shape.channels &&
                     images.size(2) == shape.height && images.size(3) == shape.width,
                 "images of another shape than the network's input");
  if (mode != mode_ || mode == NormMode::reestimate) {
    if (mode != NormMode::reestimate || mode_ != mode) reestimated_batches_ = 0;
    if (mode == NormMode::reestimate) ++reestimated_batches_;
    at::Tensor share = at::zeros(share_.sizes(), at::TensorOptions(at::kDouble));
    for (std::size_t i = 0; i < fused_.size(); ++i) {
      share.mutable_data_ptr<double>()[i] = mode == NormMode::reestimate
                                                ? 1.0 / static_cast<double>(reestimated_batches_)
                                                : fused_[i].momentum;
    }
    share_.copy_(share);
  }
  mode_ = mode;
  values_[at_index(plan_.input)] = channels_last(images.to(type_));
  for (std::size_t i = 0; i < plan_.steps.size(); ++i) {
    contexts_[i].training = mode == NormMode::train;
    contexts_[i].random = {.seed = address.seed,
                           .stream = kDropoutStream + static_cast<std::uint32_t>(i),
                           .step = address.step};
    layers_[i].noise = {.seed = address.seed,
                        .stream = kGradientStream + static_cast<std::uint32_t>(i),
                        .step = address.step};
    std::visit([&](const auto& step) { run(step, i); }, plan_.steps[i]);
  }
  return values_[at_index(plan_.output)].flatten(1).to(at::kFloat).contiguous();
}

// ---- backwards ----

void Training::arrive(SlotId slot, at::Tensor gradient) {
  if (wants_gradient(slot)) arriving_[at_index(slot)].push_back(std::move(gradient));
}

at::Tensor Training::arrived(SlotId slot) {
  std::vector<at::Tensor> all = std::move(arriving_[at_index(slot)]);
  arriving_[at_index(slot)].clear();
  if (all.empty()) return {};
  at::Tensor sum = all.front();
  for (std::size_t i = 1; i < all.size(); ++i) sum = at::add(sum, all[i]);
  return sum;
}

// A gradient buffer like x that nobody else holds: from the pool where one is free.
at::Tensor Training::take_like(const at::Tensor& x) {
  for (at::Tensor& buffer : pool_) {
    if (buffer.use_count() == 1 && buffer.storage().use_count() == 1 &&
        buffer.numel() == x.numel() && buffer.sizes() == x.sizes()) {
      return buffer;
    }
  }
  pool_.push_back(at::empty(x.sizes(), x.options().memory_format(at::MemoryFormat::ChannelsLast)));
  return pool_.back();
}

void Training::run_back(const LayerStep& step, std::size_t index) {
  LayerState& layer = layers_[index];
  at::Tensor grad = arrived(step.y);
  BITSWEEP_CHECK(grad.defined(), "no gradient arrives at '{}'", graph_.node(step.node).name);
  if (step.gradient_site != kNone) grad = quantized_gradient(grad, layer.gradient, layer.noise);
  LayerGradients gradients =
      layer_backward(graph_.node(step.node), {grad, layer.operand, grad, values_[at_index(step.x)]},
                     wants_gradient(step.x));
  layer.weight_gradient.copy_(gradients.weight);
  if (layer.bias.defined()) layer.bias_gradient.copy_(gradients.bias);
  if (step.weight_site != kNone) {
    const WeightQuantizer quantizer = quant::weight_quantizer(
        sites_.sites[at_index(step.weight_site)], graph_.node(step.node).name);
    auto* gradient = layer.weight_gradient.mutable_data_ptr<float>();
    const auto* w = layer.weight.const_data_ptr<float>();
    const auto* tanh_w = tanh_.const_data_ptr<double>() + layer.scratch_offset;
    const auto* state =
        static_cast<const WeightQuantizerState*>(layer.quantizer_state.const_data_ptr());
    if (device_.is_cuda()) {
      kernels::quantize_weights_backward_cuda(w, tanh_w, gradient, gradient, layer.weight.numel(),
                                              quantizer, state, Stream{});
    } else {
      kernels::quantize_weights_backward_cpu(w, tanh_w, gradient, gradient, layer.weight.numel(),
                                             quantizer, *state);
    }
  }
  if (wants_gradient(step.x)) arrive(step.x, std::move(gradients.input));
}

void Training::run_back(const FusedStep& step, std::size_t index) {
  FusedState& fused = fused_[index];
  std::vector<at::Tensor> arriving = std::move(arriving_[at_index(step.y)]);
  arriving_[at_index(step.y)].clear();
  BITSWEEP_CHECK(!arriving.empty(), "no gradient arrives at '{}'",
                 graph_.node(step.nodes.back()).name);
  while (arriving.size() > 2) {  // the kernel adds two
    arriving[0] = at::add(arriving[0], arriving.back());
    arriving.pop_back();
  }
  const at::Tensor& x = values_[at_index(step.x)];
  const at::Tensor other = step.other != kNone ? values_[at_index(step.other)] : at::Tensor();
  const bool wants_x = wants_gradient(step.x);
  const bool wants_other = step.other != kNone && wants_gradient(step.other);
  const bool norm = step.norm >= 0;
  FusedGradients gradients;
  if (wants_x || (wants_other && !norm)) gradients.x = take_like(x);
  if (wants_other) gradients.other = norm ? take_like(x) : gradients.x;
  if (fused.alpha != kNone) gradients.alpha_gradient = alpha_gradients_.narrow(0, fused.alpha, 1);
  fused_backward(layer_of(step, index), x, fused.affine, norm ? &fused.norm : nullptr,
                 mode_ != NormMode::evaluate, other, arriving[0],
                 arriving.size() > 1 ? arriving[1] : at::Tensor(), scratch_, gradients);
  if (wants_other) arrive(step.other, gradients.other);
  if (wants_x) arrive(step.x, gradients.x);
}

void Training::run_back(const LearnedGridStep& step, std::size_t index) {
  const LearnedGridState& learned = learned_[index];
  const at::Tensor grad = arrived(step.y);
  BITSWEEP_CHECK(grad.defined(), "no gradient arrives at '{}'", graph_.node(step.node).name);
  const at::Tensor& x = values_[at_index(step.x)];
  at::Tensor grad_x = wants_gradient(step.x) ? take_like(x) : at::Tensor();
  at::Tensor step_gradient = alpha_gradients_.narrow(0, learned.alpha, 1);
  learned_step_backward(x, grad, learned.grid, grad_x, step_gradient);
  if (grad_x.defined()) arrive(step.x, std::move(grad_x));
}

void Training::run_back(const OpStep& step, std::size_t index) {
  const at::Tensor grad = arrived(step.y);
  if (!grad.defined()) return;
  std::vector<at::Tensor> x;
  for (const SlotId slot : step.x) x.push_back(values_[at_index(slot)]);
  std::vector<at::Tensor> gradients =
      op_backward(graph_.node(step.node), x, grad, contexts_[index]);
  for (std::size_t i = 0; i < step.x.size(); ++i) arrive(step.x[i], std::move(gradients[i]));
}

void Training::backward(const at::Tensor& grad_logits) {
  const c10::InferenceMode inference;
  const at::Tensor& output = values_[at_index(plan_.output)];
  for (auto& slot : arriving_) slot.clear();
  arrive(plan_.output, channels_last(grad_logits.to(type_).view(output.sizes())));
  for (std::size_t i = plan_.steps.size(); i-- > 0;) {
    std::visit([&](const auto& step) { run_back(step, i); }, plan_.steps[i]);
  }
  if (wants_input_gradient_) input_gradient_ = arrived(plan_.input);
}

// ---- looking inside ----

at::Tensor Training::value(graph::NodeId node, bool raw) const {
  at::Tensor out;
  for (std::size_t slot = 0; slot < values_.size(); ++slot) {
    if (plan_.node_of[slot] != node) continue;
    out = values_[slot];
    if (raw) break;  // the first slot of a node is the raw value
  }
  return out;
}

std::optional<std::string> Training::first_not_finite() const {
  const c10::InferenceMode inference;
  const auto finite = [](const at::Tensor& x) { return at::isfinite(x).all().item<bool>(); };
  for (std::size_t i = 0; i < specs_.size(); ++i) {
    if (!finite(parameters_.narrow(0, offsets_[i], specs_[i].elements()))) return specs_[i].name;
  }
  for (std::size_t i = 0; i < alpha_names_.size(); ++i) {
    if (!finite(alphas_.narrow(0, static_cast<std::int64_t>(i), 1))) {
      return alpha_names_[i] + ".alpha";
    }
  }
  for (const Step& step : plan_.steps) {
    const SlotId y = std::visit([](const auto& s) { return s.y; }, step);
    const at::Tensor& value = values_[at_index(y)];
    if (value.defined() && !finite(value)) return graph_.node(plan_.node_of[at_index(y)]).name;
  }
  return std::nullopt;
}

}  // namespace bitsweep::exec
