// Single operations of training, forwards and backwards, by LibTorch's own kernels. No autograd:
// each backward is given what it needs. Activations and their gradients are [batch, channels,
// height, width] in channels-last order, of float32 or bfloat16.
#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "graph/graph.h"
#include "kernels/philox_math.h"

namespace bitsweep::exec {

// `x` itself where it is in channels-last order already.
at::Tensor channels_last(const at::Tensor& x);

// A layer's product y = W · x + b.
at::Tensor layer_forward(const graph::Node& node, const at::Tensor& x, const at::Tensor& weight,
                         const at::Tensor& bias);

// The operands of a layer's two backward products. Document 000 quantizes each by itself; elsewhere
// both products share theirs.
struct LayerOperands {
  at::Tensor grad_for_input;  // multiplied by `weight`: the gradient of the input
  at::Tensor weight;
  at::Tensor grad_for_weight;  // multiplied by `input`: the gradient of the weight
  at::Tensor input;
};

struct LayerGradients {
  at::Tensor input;  // undefined where it is not wanted
  at::Tensor weight;
  at::Tensor bias;  // undefined where the layer has none
};

// One call of LibTorch where the two products share the arriving gradient, else one each.
LayerGradients layer_backward(const graph::Node& node, const LayerOperands& operands,
                              bool wants_input);

// What an operation's backward needs besides its inputs.
struct OpContext {
  bool training = true;
  kernels::RandomStream random{};  // of this node in this step (dropout)
  at::Tensor indices{};            // max-pool: written forwards
};

// The output of `node`, which is none of the layers and of what a fused step does.
at::Tensor op_forward(const graph::Node& node, std::span<const at::Tensor> x, OpContext& context);

// The gradient of each input. x, y: as forwards.
std::vector<at::Tensor> op_backward(const graph::Node& node, std::span<const at::Tensor> x,
                                    const at::Tensor& grad, const OpContext& context);

}  // namespace bitsweep::exec
