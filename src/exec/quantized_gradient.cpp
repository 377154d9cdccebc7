#include "exec/quantized_gradient.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include "kernels/gradient_quantizer.h"
#include "kernels/min_max.h"

namespace bitsweep::exec {

using kernels::MinMax;
using kernels::Stream;

at::Tensor quantized_gradient(const at::Tensor& g, const kernels::GradientQuantizer& quantizer,
                              const kernels::RandomStream& random) {
  const at::Tensor in = g.scalar_type() == at::kFloat ? g : g.to(at::kFloat);
  at::Tensor out = at::empty_like(in);
  const kernels::ChannelLayout images{1, g.size(0), g.numel() / g.size(0)};
  const at::Tensor extremes = at::empty({g.size(0) * static_cast<std::int64_t>(sizeof(MinMax))},
                                        at::TensorOptions(at::kByte).device(g.device()));
  auto* ranges = static_cast<MinMax*>(extremes.mutable_data_ptr());
  const auto* from = in.const_data_ptr<float>();
  auto* to = out.mutable_data_ptr<float>();
  if (g.is_cuda()) {
    kernels::min_max_cuda(from, images, ranges, Stream{});
    kernels::quantize_gradients_cuda(from, to, random, images, ranges, quantizer, Stream{});
  } else {
    kernels::min_max_cpu(from, images, ranges);
    kernels::quantize_gradients_cpu(from, to, random, images, ranges, quantizer);
  }
  return out.to(g.scalar_type());
}

}  // namespace bitsweep::exec
