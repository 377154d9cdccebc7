#include "exec/training_ops.h"

#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/avg_pool2d_backward.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d_with_indices.h>
#include <ATen/ops/max_pool2d_with_indices_backward.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros.h>

#include <limits>

#include "core/check.h"

namespace bitsweep::exec {
namespace {

using graph::Padding;
using graph::PoolKind;

using Pair = std::array<std::int64_t, 2>;

Pair pair(const std::array<int, 2>& values) { return {values[0], values[1]}; }

at::Tensor pad(const at::Tensor& x, const Padding& p, double value) {
  return at::constant_pad_nd(x, {p.left, p.right, p.top, p.bottom}, value);
}

// The part of a padded image's gradient that lies on the image.
at::Tensor unpad(const at::Tensor& grad, const Padding& p) {
  return grad.narrow(2, p.top, grad.size(2) - p.top - p.bottom)
      .narrow(3, p.left, grad.size(3) - p.left - p.right);
}

std::array<std::int64_t, 4> batch_of(const graph::Node& node, const at::Tensor& x) {
  return {x.size(0), node.output.channels, node.output.height, node.output.width};
}

struct ConvolutionGeometry {
  explicit ConvolutionGeometry(const graph::Convolution& c)
      : symmetric(c.padding.symmetric()),
        stride(pair(c.stride)),
        dilation(pair(c.dilation)),
        padding{symmetric ? c.padding.top : 0, symmetric ? c.padding.left : 0} {}
  bool symmetric;  // else the image is padded before
  Pair stride, dilation, padding;
};

std::tuple<at::Tensor, at::Tensor, at::Tensor> convolution_backward(const graph::Convolution& c,
                                                                    const at::Tensor& grad,
                                                                    const at::Tensor& input,
                                                                    const at::Tensor& weight,
                                                                    std::array<bool, 3> wanted) {
  const ConvolutionGeometry g(c);
  const at::Tensor padded = g.symmetric ? input : pad(input, c.padding, 0.0);
  const std::array<std::int64_t, 1> bias_sizes = {c.out_channels};
  auto out = at::convolution_backward(
      grad, padded, weight,
      c.bias ? at::OptionalIntArrayRef(bias_sizes) : at::OptionalIntArrayRef(), g.stride, g.padding,
      g.dilation, /*transposed=*/false, Pair{0, 0}, c.groups, wanted);
  if (!g.symmetric && wanted[0]) std::get<0>(out) = unpad(std::get<0>(out), c.padding);
  return out;
}

LayerGradients convolution_gradients(const graph::Convolution& c, const LayerOperands& o,
                                     bool wants_input) {
  if (o.grad_for_input.is_same(o.grad_for_weight)) {
    auto [input, weight, bias] =
        convolution_backward(c, o.grad_for_weight, o.input, o.weight, {wants_input, true, c.bias});
    return {input, weight, bias};
  }
  LayerGradients out;
  if (wants_input) {
    out.input = std::get<0>(
        convolution_backward(c, o.grad_for_input, o.input, o.weight, {true, false, false}));
  }
  auto [unused, weight, bias] =
      convolution_backward(c, o.grad_for_weight, o.input, o.weight, {false, true, c.bias});
  out.weight = weight;
  out.bias = bias;
  return out;
}

LayerGradients linear_gradients(const graph::Node& node, const LayerOperands& o, bool wants_input) {
  LayerGradients out;
  if (wants_input) {
    out.input = at::mm(o.grad_for_input.flatten(1), o.weight).view(o.input.sizes());
  }
  const at::Tensor grad = o.grad_for_weight.flatten(1);
  out.weight = at::mm(grad.t(), o.input.flatten(1));
  if (node.as<graph::Linear>()->bias) out.bias = at::sum(grad, {0});
  return out;
}

// ---- pools ----

// Where LibTorch cannot pad (asymmetrically, or by more than half a window), the image is padded
// before, with a value that a maximum ignores.
at::Tensor pooled_image(const at::Tensor& x, const graph::Pool& pool) {
  if (pool.padding == Padding{}) return x;
  return channels_last(pad(x, pool.padding, -std::numeric_limits<double>::infinity()));
}

at::Tensor max_pool(const at::Tensor& x, const graph::Pool& pool, OpContext& context) {
  auto [y, indices] = at::max_pool2d_with_indices(pooled_image(x, pool), pair(pool.kernel),
                                                  pair(pool.stride), 0, 1, pool.ceil_mode);
  context.indices = indices;
  return y;
}

at::Tensor max_pool_backward(const at::Tensor& x, const at::Tensor& grad, const graph::Pool& pool,
                             const OpContext& context) {
  const at::Tensor out = at::max_pool2d_with_indices_backward(
      grad, pooled_image(x, pool), pair(pool.kernel), pair(pool.stride), Pair{0, 0}, Pair{1, 1},
      pool.ceil_mode, context.indices);
  return pool.padding == Padding{} ? out : unpad(out, pool.padding);
}

// An average pool as LibTorch can do it: symmetric, or of an image padded before, whose windows are
// then weighted by the share of them that lies on the image.
struct AveragePool {
  explicit AveragePool(const graph::Pool& p)
      : pool(p), kernel(pair(p.kernel)), stride(pair(p.stride)), symmetric(p.padding.symmetric()) {}

  at::Tensor of_padded(const at::Tensor& x) const {
    return at::avg_pool2d(pad(x, pool.padding, 0.0), kernel, stride, 0, pool.ceil_mode);
  }
  at::Tensor share(const at::Tensor& x) const {
    return of_padded(at::ones({1, 1, x.size(2), x.size(3)}, x.options()));
  }
  at::Tensor forward(const at::Tensor& x) const {
    if (symmetric) {
      return at::avg_pool2d(x, kernel, stride, {pool.padding.top, pool.padding.left},
                            pool.ceil_mode, pool.count_include_pad);
    }
    return pool.count_include_pad ? of_padded(x) : of_padded(x).div(share(x));
  }
  at::Tensor backward(const at::Tensor& x, const at::Tensor& grad) const {
    if (symmetric) {
      return at::avg_pool2d_backward(grad, x, kernel, stride,
                                     Pair{pool.padding.top, pool.padding.left}, pool.ceil_mode,
                                     pool.count_include_pad, std::nullopt);
    }
    const at::Tensor g = channels_last(pool.count_include_pad ? grad : grad.div(share(x)));
    const at::Tensor padded = channels_last(pad(x, pool.padding, 0.0));
    return unpad(at::avg_pool2d_backward(g, padded, kernel, stride, Pair{0, 0}, pool.ceil_mode,
                                         true, std::nullopt),
                 pool.padding);
  }

  const graph::Pool& pool;
  Pair kernel, stride;
  bool symmetric;
};

// ---- dropout: a mask of Philox draws, one an element in memory order, made on the host ----

at::Tensor dropout_scale(const graph::Dropout& dropout, const at::Tensor& x,
                         const OpContext& context) {
  at::Tensor out = at::empty(
      x.sizes(), at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
  const double keep = 1.0 - dropout.probability;
  const auto threshold = static_cast<std::uint64_t>(dropout.probability * 0x1p32);
  const float scale = keep > 0 ? static_cast<float>(1.0 / keep) : 0.0F;
  float* values = out.mutable_data_ptr<float>();
  for (std::int64_t block = 0; 4 * block < out.numel(); ++block) {
    const kernels::Philox4 draws =
        kernels::random_block(context.random, static_cast<std::uint64_t>(block));
    for (std::int64_t i = 0; i < 4 && 4 * block + i < out.numel(); ++i) {
      values[4 * block + i] = draws.word[i] < threshold ? 0.0F : scale;
    }
  }
  return out.to(x.options());
}

bool drops(const graph::Dropout& dropout, const OpContext& context) {
  return context.training && dropout.probability > 0;
}

// ---- one visitor a direction ----

struct Forward {
  const graph::Node& node;
  std::span<const at::Tensor> x;
  OpContext& context;

  template <class T>
  at::Tensor operator()(const T&) const {
    BITSWEEP_CHECK(false, "'{}' is no operation of its own in training", node.name);
  }
  at::Tensor operator()(const graph::Multiply&) const { return at::mul(x[0], x[1]); }
  at::Tensor operator()(const graph::Concat&) const {
    return at::cat(std::vector<at::Tensor>(x.begin(), x.end()), 1);
  }
  at::Tensor operator()(const graph::Pool& pool) const {
    return pool.kind == PoolKind::max ? max_pool(x[0], pool, context)
                                      : AveragePool(pool).forward(x[0]);
  }
  at::Tensor operator()(const graph::GlobalAveragePool&) const {
    return at::mean(x[0], {2, 3}, /*keepdim=*/true);
  }
  at::Tensor operator()(const graph::ZeroPadShortcut& s) const {
    at::Tensor y = at::zeros(batch_of(node, x[0]),
                             x[0].options().memory_format(at::MemoryFormat::ChannelsLast));
    y.narrow(1, s.channels_before, x[0].size(1))
        .copy_(x[0].slice(2, 0, std::nullopt, s.stride).slice(3, 0, std::nullopt, s.stride));
    return y;
  }
  at::Tensor operator()(const graph::Flatten&) const {
    return x[0].contiguous().view(batch_of(node, x[0]));
  }
  at::Tensor operator()(const graph::Dropout& dropout) const {
    return drops(dropout, context) ? at::mul(x[0], dropout_scale(dropout, x[0], context)) : x[0];
  }
};

struct Backward {
  const graph::Node& node;
  std::span<const at::Tensor> x;
  const at::Tensor& grad;
  const OpContext& context;

  using Gradients = std::vector<at::Tensor>;

  template <class T>
  Gradients operator()(const T&) const {
    BITSWEEP_CHECK(false, "'{}' is no operation of its own in training", node.name);
  }
  Gradients operator()(const graph::Multiply&) const {
    at::Tensor second = at::mul(grad, x[0]);
    if (second.sizes() != x[1].sizes()) second = at::sum(second, {2, 3}, /*keepdim=*/true);
    return {at::mul(grad, x[1]), second};
  }
  Gradients operator()(const graph::Concat&) const {
    Gradients out;
    std::int64_t channel = 0;
    for (const at::Tensor& part : x) {
      out.push_back(grad.narrow(1, channel, part.size(1)));
      channel += part.size(1);
    }
    return out;
  }
  Gradients operator()(const graph::Pool& pool) const {
    return {pool.kind == PoolKind::max ? max_pool_backward(x[0], grad, pool, context)
                                       : AveragePool(pool).backward(x[0], grad)};
  }
  Gradients operator()(const graph::GlobalAveragePool&) const {
    const auto window = static_cast<double>(x[0].size(2) * x[0].size(3));
    return {grad.div(window).expand(x[0].sizes())};
  }
  Gradients operator()(const graph::ZeroPadShortcut& s) const {
    at::Tensor out =
        at::zeros(x[0].sizes(), x[0].options().memory_format(at::MemoryFormat::ChannelsLast));
    out.slice(2, 0, std::nullopt, s.stride)
        .slice(3, 0, std::nullopt, s.stride)
        .copy_(grad.narrow(1, s.channels_before, x[0].size(1)));
    return {out};
  }
  Gradients operator()(const graph::Flatten&) const {
    return {grad.contiguous().view(x[0].sizes())};
  }
  Gradients operator()(const graph::Dropout& dropout) const {
    return {drops(dropout, context) ? at::mul(grad, dropout_scale(dropout, x[0], context)) : grad};
  }
};

}  // namespace

at::Tensor channels_last(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor layer_forward(const graph::Node& node, const at::Tensor& x, const at::Tensor& weight,
                         const at::Tensor& bias) {
  if (const auto* c = node.as<graph::Convolution>()) {
    const ConvolutionGeometry g(*c);
    return channels_last(at::convolution(g.symmetric ? x : channels_last(pad(x, c->padding, 0.0)),
                                         weight, bias, g.stride, g.padding, g.dilation,
                                         /*transposed=*/false, Pair{0, 0}, c->groups));
  }
  return at::linear(x.flatten(1), weight, bias).view(batch_of(node, x));
}

LayerGradients layer_backward(const graph::Node& node, const LayerOperands& operands,
                              bool wants_input) {
  const auto* c = node.as<graph::Convolution>();
  LayerGradients out = c != nullptr ? convolution_gradients(*c, operands, wants_input)
                                    : linear_gradients(node, operands, wants_input);
  if (wants_input) out.input = channels_last(out.input);
  return out;
}

at::Tensor op_forward(const graph::Node& node, std::span<const at::Tensor> x, OpContext& context) {
  return channels_last(std::visit(Forward{node, x, context}, node.attributes));
}

std::vector<at::Tensor> op_backward(const graph::Node& node, std::span<const at::Tensor> x,
                                    const at::Tensor& grad, const OpContext& context) {
  std::vector<at::Tensor> out = std::visit(Backward{node, x, grad, context}, node.attributes);
  for (at::Tensor& gradient : out) gradient = channels_last(gradient);
  return out;
}

}  // namespace bitsweep::exec
