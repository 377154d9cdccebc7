#include "exec/operators.h"

#include <ATen/ops/add.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/clamp.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/div.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/hardsigmoid.h>
#include <ATen/ops/hardswish.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/slice.h>

#include <array>
#include <limits>
#include <string>

#include "core/check.h"

namespace bitsweep::exec {
namespace {

using graph::ActivationKind;
using graph::Padding;
using graph::PoolKind;

// Whether no other tensor, in or outside the executor, sees the same memory.
bool sole_owner(const at::Tensor& x) { return x.use_count() == 1 && x.storage().use_count() == 1; }

at::Tensor pad(const at::Tensor& x, const Padding& p, double value) {
  return at::constant_pad_nd(x, {p.left, p.right, p.top, p.bottom}, value);
}

// The shape of a batch of `node`'s outputs.
std::array<std::int64_t, 4> output_shape(const graph::Node& node, const at::Tensor& input) {
  return {input.size(0), node.output.channels, node.output.height, node.output.width};
}

struct Compute {
  const graph::Node& node;
  std::span<at::Tensor> in;
  const NodeTensors& tensors;

  at::Tensor operator()(const graph::Input&) const {
    BITSWEEP_CHECK(false, "'{}': an input is given, not computed", node.name);
  }

  at::Tensor operator()(const graph::Convolution& c) const {
    const bool symmetric = c.padding.symmetric();
    const at::Tensor x = symmetric ? in[0] : pad(in[0], c.padding, 0.0);
    const std::array<std::int64_t, 2> padding = {symmetric ? c.padding.top : 0,
                                                 symmetric ? c.padding.left : 0};
    const std::array<std::int64_t, 2> stride = {c.stride[0], c.stride[1]};
    const std::array<std::int64_t, 2> dilation = {c.dilation[0], c.dilation[1]};
    return at::conv2d(x, tensors.weight, tensors.bias, stride, padding, dilation, c.groups);
  }

  at::Tensor operator()(const graph::Linear&) const {
    const at::Tensor y = at::linear(in[0].flatten(1), tensors.weight, tensors.bias);
    return y.view(output_shape(node, in[0]));
  }

  at::Tensor operator()(const graph::BatchNorm& norm) const {
    return at::batch_norm(in[0], tensors.weight, tensors.bias, tensors.running_mean,
                          tensors.running_var, /*training=*/false, norm.momentum, norm.eps,
                          /*cudnn_enabled=*/false);
  }

  at::Tensor operator()(const graph::Activation& activation) const {
    const bool in_place = sole_owner(in[0]);
    switch (activation.kind) {
      case ActivationKind::relu:
        return in_place ? in[0].relu_() : at::relu(in[0]);
      case ActivationKind::relu6:
        return in_place ? in[0].clamp_(0, 6) : at::clamp(in[0], 0, 6);
      case ActivationKind::hard_swish:
        return at::hardswish(in[0]);
      case ActivationKind::hard_sigmoid:
        return at::hardsigmoid(in[0]);
      case ActivationKind::hard_sigmoid_fifth: {
        at::Tensor line = at::div(in[0], 5).add_(0.5);
        return line.clamp_(0, 1);
      }
    }
    BITSWEEP_CHECK(false, "activation kind {}", static_cast<int>(activation.kind));
  }

  at::Tensor operator()(const graph::Add&) const {
    if (sole_owner(in[0])) return in[0].add_(in[1]);
    if (sole_owner(in[1])) return in[1].add_(in[0]);  // float addition commutes
    return at::add(in[0], in[1]);
  }

  at::Tensor operator()(const graph::Multiply&) const {
    return sole_owner(in[0]) ? in[0].mul_(in[1]) : at::mul(in[0], in[1]);
  }

  at::Tensor operator()(const graph::Concat&) const {
    return at::cat(std::vector<at::Tensor>(in.begin(), in.end()), 1);
  }

  at::Tensor operator()(const graph::Pool& pool) const {
    return pool.kind == PoolKind::max ? max_pool(pool) : average_pool(pool);
  }

  at::Tensor operator()(const graph::GlobalAveragePool&) const {
    return at::mean(in[0], {2, 3}, /*keepdim=*/true);
  }

  at::Tensor operator()(const graph::ZeroPadShortcut& shortcut) const {
    const at::Tensor rows = at::slice(in[0], 2, 0, std::nullopt, shortcut.stride);
    const at::Tensor x = at::slice(rows, 3, 0, std::nullopt, shortcut.stride);
    return at::constant_pad_nd(x, {0, 0, 0, 0, shortcut.channels_before, shortcut.channels_after},
                               0);
  }

  at::Tensor operator()(const graph::Flatten&) const {
    return in[0].view(output_shape(node, in[0]));
  }

  at::Tensor operator()(const graph::Dropout&) const { return in[0]; }

 private:
  // LibTorch's pools pad symmetrically and by half a window at most; what they cannot is padded
  // before, with the value that a maximum ignores.
  at::Tensor max_pool(const graph::Pool& pool) const {
    const at::Tensor x = pool.padding == Padding{}
                             ? in[0]
                             : pad(in[0], pool.padding, -std::numeric_limits<double>::infinity());
    return at::max_pool2d(x, {pool.kernel[0], pool.kernel[1]}, {pool.stride[0], pool.stride[1]}, 0,
                          1, pool.ceil_mode);
  }

  // The mean over the window's elements within the padded image (count_include_pad) or within the
  // image itself.
  at::Tensor average_pool(const graph::Pool& pool) const {
    const std::array<std::int64_t, 2> kernel = {pool.kernel[0], pool.kernel[1]};
    const std::array<std::int64_t, 2> stride = {pool.stride[0], pool.stride[1]};
    if (pool.padding.symmetric()) {
      return at::avg_pool2d(in[0], kernel, stride, {pool.padding.top, pool.padding.left},
                            pool.ceil_mode, pool.count_include_pad);
    }
    const auto pooled = [&](const at::Tensor& x) {
      return at::avg_pool2d(pad(x, pool.padding, 0.0), kernel, stride, 0, pool.ceil_mode);
    };
    const at::Tensor mean = pooled(in[0]);
    if (pool.count_include_pad) return mean;
    const at::Tensor ones = at::ones({1, 1, in[0].size(2), in[0].size(3)}, in[0].options());
    return mean.div(pooled(ones));  // the share of each window that lies within the image
  }
};

}  // namespace

std::vector<NodeTensors> node_tensors(const graph::Graph& graph,
                                      const graph::Parameters& parameters, at::Device device) {
  std::vector<NodeTensors> out(graph.nodes().size());
  for (const graph::TensorSpec& spec : parameters.specs()) {
    const std::span<const float> values = parameters.values(spec.name);
    // from_blob takes no const pointer; executors only read parameters.
    const at::Tensor view =
        at::from_blob(const_cast<float*>(values.data()), spec.shape, at::TensorOptions(at::kFloat));
    NodeTensors& tensors = out[static_cast<std::size_t>(spec.node)];
    const std::string kind = spec.name.substr(spec.name.rfind('.') + 1);
    at::Tensor* slot = kind == "weight"         ? &tensors.weight
                       : kind == "bias"         ? &tensors.bias
                       : kind == "running_mean" ? &tensors.running_mean
                       : kind == "running_var"  ? &tensors.running_var
                                                : nullptr;
    BITSWEEP_CHECK(slot != nullptr, "tensor '{}' of no known kind", spec.name);
    *slot = view.to(device);
  }
  return out;
}

at::Tensor compute(const graph::Node& node, std::span<at::Tensor> inputs,
                   const NodeTensors& tensors) {
  return std::visit(Compute{node, inputs, tensors}, node.attributes);
}

}  // namespace bitsweep::exec
