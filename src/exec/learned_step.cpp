#include "exec/learned_step.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/check.h"
#include "kernels/fake_quantize.h"
#include "kernels/learned_scale.h"
#include "kernels/range_math.h"

namespace bitsweep::exec {
namespace {

using kernels::AffineGrid;
using kernels::Stream;
using kernels::whole_tensor;

// The kernels read float32: what else a step computes in is widened, which is exact.
at::Tensor widened(const at::Tensor& x) {
  return x.scalar_type() == at::kFloat ? x : x.to(at::kFloat);
}

// `y` itself where it is float32, else room that is copied to it afterwards.
at::Tensor float_room(const at::Tensor& y) {
  return y.scalar_type() == at::kFloat ? y : at::empty_like(y, y.options().dtype(at::kFloat));
}

at::Tensor on_device(const AffineGrid& grid, at::Device device) {
  const at::Tensor host =
      at::empty({static_cast<std::int64_t>(sizeof grid)}, at::TensorOptions(at::kByte));
  std::memcpy(host.mutable_data_ptr(), &grid, sizeof grid);
  return host.to(device);
}

}  // namespace

AffineGrid learned_grid(const LearnedStep& quantizer, float step) {
  BITSWEEP_CHECK(step > 0, "a learned step of {}", step);
  const std::int32_t half = std::int32_t{1} << (quantizer.bits - 1);
  AffineGrid grid{};
  grid.scale = step;
  grid.qmin = quantizer.is_unsigned ? 0 : -half;
  grid.qmax = quantizer.is_unsigned ? 2 * half - 1 : half - 1;
  return grid;
}

float first_step_size(const LearnedStep& quantizer, const at::Tensor& x) {
  const double mean = x.to(at::kDouble).abs().mean().item<double>();
  const double step = 2 * mean / std::sqrt(learned_grid(quantizer, 1.0F).qmax);
  return std::max(static_cast<float>(step), kernels::kScaleFloor);
}

void learned_step_forward(const at::Tensor& x, const AffineGrid& grid, at::Tensor& y) {
  const at::Tensor from = widened(x);
  const at::Tensor to = float_room(y);
  const auto* in = from.const_data_ptr<float>();
  auto* out = to.mutable_data_ptr<float>();
  if (x.is_cuda()) {
    kernels::fake_quantize_cuda(in, out, nullptr, x.numel(), grid, {}, Stream{});
  } else {
    kernels::fake_quantize_cpu(in, out, nullptr, x.numel(), grid);
  }
  if (!to.is_same(y)) y.copy_(to);
}

void learned_step_backward(const at::Tensor& x, const at::Tensor& grad_y, const AffineGrid& grid,
                           at::Tensor& grad_x, at::Tensor& step_gradient) {
  const at::Tensor values = widened(x);
  const at::Tensor arriving = widened(grad_y);
  const at::Tensor out = grad_x.defined() ? float_room(grad_x) : at::empty_like(arriving);
  const auto elements = static_cast<double>(x.numel() / x.size(0));
  const double factor = 1 / std::sqrt(elements * grid.qmax);
  const at::Tensor sum = at::empty({1}, x.options().dtype(at::kDouble));
  const auto* in = values.const_data_ptr<float>();
  const auto* gradient = arriving.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<float>();
  auto* grad_step = sum.mutable_data_ptr<double>();
  if (x.is_cuda()) {
    const at::Tensor grids = on_device(grid, x.device());
    kernels::learned_scale_backward_cuda(in, gradient, to, whole_tensor(x.numel()),
                                         static_cast<const AffineGrid*>(grids.const_data_ptr()), {},
                                         factor, grad_step, nullptr, Stream{});
  } else {
    kernels::learned_scale_backward_cpu(in, gradient, to, whole_tensor(x.numel()), &grid, {},
                                        factor, grad_step, nullptr);
  }
  step_gradient.copy_(sum);
  if (grad_x.defined() && !out.is_same(grad_x)) grad_x.copy_(out);
}

}  // namespace bitsweep::exec
