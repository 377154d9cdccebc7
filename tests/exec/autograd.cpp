#include "autograd.h"

#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <optional>

namespace bitsweep::testing {
namespace {

using graph::ActivationKind;
using graph::PoolKind;

// The value of `quantized` with the gradient of `smooth`.
at::Tensor straight_through(const at::Tensor& smooth, const at::Tensor& quantized) {
  return smooth + (quantized - smooth).detach();
}

at::Tensor quantize_weight(const at::Tensor& w, const quant::QuantizerSite& site) {
  const at::Tensor t = w.tanh();
  const at::Tensor v = t / t.abs().max();
  if (site.quantizer == "tanh_symmetric") {
    const double n = std::pow(2.0, site.bits - 1) - 1;
    return straight_through(v, (v * n).round() / n);
  }
  const double n = std::pow(2.0, site.bits) - 1;
  const at::Tensor u = v / 2 + 0.5;
  return 2 * straight_through(u, (u * n).round() / n) - 1;
}

at::Tensor quantize_output(const at::Tensor& x, const quant::QuantizerSite& site,
                           const at::Tensor& alpha) {
  const double levels = std::pow(2.0, site.bits) - 1;
  const double half_levels = std::pow(2.0, site.bits - 1) - 1;
  if (site.quantizer == "dorefa_clamp") {
    const at::Tensor u =
        (x * static_cast<double>(static_cast<float>(site.clamp_factor))).clamp(0, 1);
    return straight_through(u, (u * levels).round() / levels);
  }
  if (site.quantizer == "pact_fixed") {
    const at::Tensor u = x.clamp(0, site.clip);
    return straight_through(u, (u * (levels / site.clip)).round() / (levels / site.clip));
  }
  if (site.quantizer == "lsq") {
    // Esser 2020, appendix: the step's gradient is scaled by detaching the rest of it.
    const double qmin = site.half_range ? 0 : -std::pow(2.0, site.bits - 1);
    const double qmax = site.half_range ? levels : half_levels;
    const double scale = 1 / std::sqrt(static_cast<double>(x.numel() / x.size(0)) * qmax);
    const at::Tensor step = (alpha * scale) + (alpha * (1 - scale)).detach();
    const at::Tensor v = x / step;
    const at::Tensor code = v.detach().round();
    // Through where the code lies within its range, as PyTorch has it; the paper's condition is on
    // x / s, half a step narrower.
    const at::Tensor within = (code >= qmin).logical_and(code <= qmax);
    return at::where(within, straight_through(v, code), code.clamp(qmin, qmax)) * step;
  }
  // clamp's own gradient for the bounds is 1 where they bind.
  const bool is_signed = site.quantizer == "mpact";
  const at::Tensor low = is_signed ? -alpha : at::zeros_like(alpha);
  const at::Tensor y = at::where(x >= alpha, alpha, at::where(x <= low, low, x));
  const at::Tensor scale = (is_signed ? half_levels : levels) / alpha.detach();
  return straight_through(y, (y * scale).round() / scale);
}

at::Tensor pad(const at::Tensor& x, const graph::Padding& p, double value) {
  return at::constant_pad_nd(x, {p.left, p.right, p.top, p.bottom}, value);
}

struct Run {
  const graph::Node& node;
  std::vector<at::Tensor> in;
  std::map<std::string, at::Tensor>& tensors;
  const quant::QuantizerSite* weight_site;
  bool training;
  std::optional<kernels::FixedPoint> fixed_norm;

  at::Tensor tensor(const char* kind) const {
    const auto it = tensors.find(node.name + "." + kind);
    return it == tensors.end() ? at::Tensor() : it->second;
  }
  at::Tensor weight() const {
    return weight_site != nullptr ? quantize_weight(tensor("weight"), *weight_site)
                                  : tensor("weight");
  }

  at::Tensor operator()(const graph::Input&) const { return in[0]; }
  at::Tensor operator()(const graph::Convolution& c) const {
    return at::conv2d(pad(in[0], c.padding, 0), weight(), tensor("bias"),
                      {c.stride[0], c.stride[1]}, std::array<std::int64_t, 2>{0, 0},
                      {c.dilation[0], c.dilation[1]}, c.groups);
  }
  at::Tensor operator()(const graph::Linear&) const {
    return at::linear(in[0].flatten(1), weight(), tensor("bias")).unsqueeze(2).unsqueeze(3);
  }
  at::Tensor operator()(const graph::BatchNorm& n) const {
    const at::Tensor of_fixed = fixed_norm ? fixed_batch_norm(n) : at::Tensor();
    const at::Tensor y =
        at::batch_norm(in[0], tensor("weight"), tensor("bias"), tensor("running_mean"),
                       tensor("running_var"), training, n.momentum, n.eps, false);
    return fixed_norm ? straight_through(y, of_fixed) : y;
  }
  // With γ / √(σ² + ε) and β − μγ / √(σ² + ε) on their grid.
  at::Tensor fixed_batch_norm(const graph::BatchNorm& n) const {
    const at::Tensor mean = training ? in[0].mean({0, 2, 3}) : tensor("running_mean");
    const at::Tensor variance =
        training ? in[0].var({0, 2, 3}, /*unbiased=*/false) : tensor("running_var");
    const at::Tensor scale = tensor("weight") / (variance + n.eps).sqrt();
    const auto fixed = [&](const at::Tensor& v) {
      const double steps = std::pow(2.0, fixed_norm->bits - fixed_norm->integer_bits);
      const double limit = std::pow(2.0, fixed_norm->bits - 1);
      return ((v * steps).round().clamp(-limit, limit - 1) / steps).reshape({1, -1, 1, 1});
    };
    return in[0] * fixed(scale) + fixed(tensor("bias") - mean * scale);
  }
  at::Tensor operator()(const graph::Activation& a) const {
    switch (a.kind) {
      case ActivationKind::relu:
        return at::relu(in[0]);
      case ActivationKind::relu6:
        return at::hardtanh(in[0], 0, 6);
      case ActivationKind::hard_swish:
        return at::hardswish(in[0]);
      case ActivationKind::hard_sigmoid:
        return at::hardsigmoid(in[0]);
      case ActivationKind::hard_sigmoid_fifth:
        return at::clamp(in[0] / 5 + 0.5, 0, 1);
    }
    return {};
  }
  at::Tensor operator()(const graph::Add&) const { return in[0] + in[1]; }
  at::Tensor operator()(const graph::Multiply&) const { return in[0] * in[1]; }
  at::Tensor operator()(const graph::Concat&) const { return at::cat(in, 1); }
  at::Tensor operator()(const graph::Pool& p) const {
    if (p.kind == PoolKind::max) {
      return at::max_pool2d(pad(in[0], p.padding, -INFINITY), {p.kernel[0], p.kernel[1]},
                            {p.stride[0], p.stride[1]}, 0, 1, p.ceil_mode);
    }
    const auto pool = [&](const at::Tensor& x) {
      return at::avg_pool2d(pad(x, p.padding, 0), {p.kernel[0], p.kernel[1]},
                            {p.stride[0], p.stride[1]}, 0, p.ceil_mode);
    };
    return p.count_include_pad ? pool(in[0]) : pool(in[0]) / pool(at::ones_like(in[0]));
  }
  at::Tensor operator()(const graph::GlobalAveragePool&) const { return in[0].mean({2, 3}, true); }
  at::Tensor operator()(const graph::ZeroPadShortcut& s) const {
    const at::Tensor x =
        in[0].slice(2, 0, std::nullopt, s.stride).slice(3, 0, std::nullopt, s.stride);
    return at::constant_pad_nd(x, {0, 0, 0, 0, s.channels_before, s.channels_after}, 0);
  }
  at::Tensor operator()(const graph::Flatten&) const {
    return in[0].flatten(1).unsqueeze(2).unsqueeze(3);
  }
  at::Tensor operator()(const graph::Dropout&) const { return in[0]; }
};

}  // namespace

Oracle run_oracle(const graph::Graph& graph, const graph::Parameters& parameters,
                  const quant::SitePlan& sites, const std::map<std::string, double>& alphas,
                  const at::Tensor& images, bool training) {
  Oracle out;
  for (const graph::TensorSpec& spec : parameters.specs()) {
    const std::span<const float> values = parameters.values(spec.name);
    at::Tensor leaf =
        at::from_blob(const_cast<float*>(values.data()), spec.shape, at::TensorOptions(at::kFloat))
            .to(at::kDouble);
    if (spec.trainable) leaf.requires_grad_();
    out.tensors[spec.name] = leaf;
  }
  for (const auto& [node, alpha] : alphas) {
    out.tensors[node + ".alpha"] =
        at::full({}, static_cast<double>(static_cast<float>(alpha)), at::kDouble).requires_grad_();
  }
  out.images = images.to(at::kDouble).clone().requires_grad_();
  for (graph::NodeId id = 0; id <= graph.output(); ++id) {
    const graph::Node& node = graph.node(id);
    std::vector<at::Tensor> in;
    for (const graph::NodeId input : node.inputs) {
      in.push_back(out.values[static_cast<std::size_t>(input)]);
    }
    if (in.empty()) in.push_back(out.images);
    at::Tensor y = std::visit(Run{node, in, out.tensors, sites.find(quant::Place::weight, id),
                                  training, sites.batch_norm},
                              node.attributes);
    if (const auto* site = sites.find(quant::Place::output, id)) {
      const auto alpha = out.tensors.find(node.name + ".alpha");
      y = quantize_output(y, *site, alpha == out.tensors.end() ? at::Tensor() : alpha->second);
    }
    out.values.push_back(y);
  }
  return out;
}

}  // namespace bitsweep::testing
