// LSQ on tensors (Esser et al. 2020): fake quantization of activations on a grid whose step s is
// learned. The formulas are those of kernels/fake_quantize.h and kernels/learned_scale.h; here is
// what the paper says around them: the codes, the scale of s's gradient, and the first s.
//   codes     0 … 2^b − 1 where the values are never negative, else −2^(b−1) … 2^(b−1) − 1
//   gradient  of s is multiplied by 1 / √(elements of one image · qmax)   (section 2.2)
//   first s   2 · mean|x| / √qmax over the first batch                    (section 2.1)
#pragma once

#include <ATen/core/Tensor.h>

#include "kernels/fake_quantize_math.h"

namespace bitsweep::exec {

struct LearnedStep {
  int bits = 8;  // 2–16
  bool is_unsigned = false;
};

// step > 0. Throws Error otherwise: the training keeps it so.
kernels::AffineGrid learned_grid(const LearnedStep& quantizer, float step);

// The s that a quantizer of `x` begins with; at least kernels::kScaleFloor.
float first_step_size(const LearnedStep& quantizer, const at::Tensor& x);

// y = x on the grid. x, y: [batch, channels, height, width] in channels-last order, float32 or
// bfloat16; y may be x.
void learned_step_forward(const at::Tensor& x, const kernels::AffineGrid& grid, at::Tensor& y);

// grad_x = dL/dx (undefined: not wanted) and step_gradient = the scaled dL/ds, [1] float32, from
// grad_y, which is of x's shape and type.
void learned_step_backward(const at::Tensor& x, const at::Tensor& grad_y,
                           const kernels::AffineGrid& grid, at::Tensor& grad_x,
                           at::Tensor& step_gradient);

}  // namespace bitsweep::exec
