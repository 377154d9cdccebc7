#include "exec/fused.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include "core/check.h"
#include "kernels/fixed_norm_math.h"

namespace bitsweep::exec {
namespace {

using kernels::ArrivingGradient;
using kernels::ChunkRange;
using kernels::FusedLayer;
using kernels::GradientSums;
using kernels::NormAffine;
using kernels::NormGradient;
using kernels::NormSums;
using kernels::Stream;

const void* data(const at::Tensor& x) { return x.defined() ? x.const_data_ptr() : nullptr; }
void* mutable_data(const at::Tensor& x) { return x.defined() ? x.mutable_data_ptr() : nullptr; }

const NormAffine* affine_of(const at::Tensor& affine) {
  return static_cast<const NormAffine*>(data(affine));
}

// body(chunks) on LibTorch's threads, a few chunks at a time.
template <class Body>
void for_chunks(const FusedLayer& layer, Body body) {
  const std::int64_t chunks = kernels::chunk_count(layer.rows, layer.channels);
  if (at::get_num_threads() == 1) return body(ChunkRange{0, chunks});
  at::parallel_for(0, chunks, 4, [&](std::int64_t begin, std::int64_t end) {
    body(ChunkRange{begin, end});
  });
}

kernels::NormParameters parameters(const NormTensors& norm) {
  return {norm.gamma.const_data_ptr<float>(), norm.beta.const_data_ptr<float>(),
          norm.running_mean.mutable_data_ptr<float>(), norm.running_var.mutable_data_ptr<float>(),
          norm.eps};
}

}  // namespace

void* FusedScratch::bytes(std::int64_t n, int which) {
  at::Tensor& buffer = buffers_[which];
  if (!buffer.defined() || buffer.numel() < n) {
    buffer = at::empty({n}, at::TensorOptions(at::kByte).device(device_));
  }
  return buffer.mutable_data_ptr();
}

FusedLayer fused_layer(const at::Tensor& x) {
  BITSWEEP_CHECK(x.dim() == 4 && x.is_contiguous(at::MemoryFormat::ChannelsLast),
                 "an activation is not in channels-last order");
  BITSWEEP_CHECK(x.scalar_type() == at::kFloat || x.scalar_type() == at::kBFloat16,
                 "activations of type {}", at::toString(x.scalar_type()));
  FusedLayer layer;
  layer.rows = x.size(0) * x.size(2) * x.size(3);
  layer.channels = x.size(1);
  layer.element = x.scalar_type() == at::kFloat ? kernels::Element::f32 : kernels::Element::bf16;
  return layer;
}

at::Tensor empty_affine(std::int64_t channels, at::Device device) {
  return at::empty({channels * static_cast<std::int64_t>(sizeof(NormAffine))},
                   at::TensorOptions(at::kByte).device(device));
}

void norm_from_batch(const at::Tensor& x, const NormTensors& norm, const at::Tensor& share,
                     FusedScratch& scratch, at::Tensor& affine) {
  const FusedLayer layer = fused_layer(x);
  const std::int64_t chunks = kernels::chunk_count(layer.rows, layer.channels);
  auto* sums = scratch.array<NormSums>(chunks * layer.channels, 0);
  auto* pivots = scratch.array<float>(layer.channels, 1);
  auto* out = static_cast<NormAffine*>(mutable_data(affine));
  const auto* share_value = share.const_data_ptr<double>();
  if (x.is_cuda()) {
    kernels::norm_pivots_cuda(layer, data(x), pivots, Stream{});
    kernels::norm_sums_cuda(layer, data(x), pivots, sums, Stream{});
    kernels::norm_finish_cuda(layer, sums, pivots, parameters(norm), share_value, out, Stream{});
    return;
  }
  kernels::norm_pivots_cpu(layer, data(x), pivots);
  for_chunks(layer, [&](ChunkRange range) {
    kernels::norm_sums_cpu(layer, data(x), pivots, sums, range);
  });
  kernels::norm_finish_cpu(layer, sums, pivots, parameters(norm), *share_value, out);
}

void norm_from_running(const NormTensors& norm, at::Tensor& affine) {
  auto* out = static_cast<NormAffine*>(mutable_data(affine));
  const std::int64_t channels = norm.gamma.numel();
  if (affine.is_cuda()) {
    kernels::norm_evaluate_cuda(channels, parameters(norm), out, Stream{});
  } else {
    kernels::norm_evaluate_cpu(channels, parameters(norm), out);
  }
}

void fix_norm(at::Tensor& affine, kernels::FixedPoint format) {
  const at::Tensor host = affine.cpu();
  auto* values = static_cast<NormAffine*>(host.mutable_data_ptr());
  const std::int64_t channels = host.numel() / static_cast<std::int64_t>(sizeof(NormAffine));
  for (std::int64_t c = 0; c < channels; ++c) values[c] = kernels::fixed_norm(values[c], format);
  if (!host.is_same(affine)) affine.copy_(host);
}

void fused_forward(const FusedLayer& layer, const at::Tensor& x, const at::Tensor& affine,
                   const at::Tensor& other, at::Tensor& y) {
  if (x.is_cuda()) {
    kernels::fused_forward_cuda(layer, data(x), affine_of(affine), data(other), mutable_data(y),
                                Stream{});
    return;
  }
  for_chunks(layer, [&](ChunkRange range) {
    kernels::fused_forward_cpu(layer, data(x), affine_of(affine), data(other), mutable_data(y),
                               range);
  });
}

void fused_backward(const FusedLayer& layer, const at::Tensor& x, const at::Tensor& affine,
                    const NormTensors* norm, bool through_batch, const at::Tensor& other,
                    const at::Tensor& first, const at::Tensor& second, FusedScratch& scratch,
                    FusedGradients& gradients) {
  const ArrivingGradient arriving{data(first), data(second)};
  const std::int64_t chunks = kernels::chunk_count(layer.rows, layer.channels);
  auto* sums = norm != nullptr ? scratch.array<GradientSums>(chunks * layer.channels, 0) : nullptr;
  const bool learns = gradients.alpha_gradient.defined();
  auto* alpha_sums = learns ? scratch.array<double>(chunks, 1) : nullptr;
  // Without a norm, the gradient of `other` is that of x, too.
  void* passed =
      mutable_data(norm == nullptr && gradients.x.defined() ? gradients.x : gradients.other);
  auto* lines = norm != nullptr ? scratch.array<NormGradient>(layer.channels, 2) : nullptr;

  if (x.is_cuda()) {
    kernels::fused_backward_sums_cuda(layer, data(x), affine_of(affine), data(other), arriving,
                                      sums, alpha_sums, passed, Stream{});
    if (learns) {
      kernels::alpha_gradient_cuda(alpha_sums, chunks,
                                   gradients.alpha_gradient.mutable_data_ptr<float>(), Stream{});
    }
  } else {
    for_chunks(layer, [&](ChunkRange range) {
      kernels::fused_backward_sums_cpu(layer, data(x), affine_of(affine), data(other), arriving,
                                       sums, alpha_sums, passed, range);
    });
    if (learns) {
      double total = 0.0;
      for (std::int64_t i = 0; i < chunks; ++i) total += alpha_sums[i];
      *gradients.alpha_gradient.mutable_data_ptr<float>() = static_cast<float>(total);
    }
  }
  if (norm == nullptr) return;

  const auto* gamma = norm->gamma.const_data_ptr<float>();
  auto* gamma_gradient = norm->gamma_gradient.mutable_data_ptr<float>();
  auto* beta_gradient = norm->beta_gradient.mutable_data_ptr<float>();
  if (x.is_cuda()) {
    kernels::norm_gradient_finish_cuda(layer, sums, affine_of(affine), gamma, through_batch,
                                       gamma_gradient, beta_gradient, lines, Stream{});
  } else {
    kernels::norm_gradient_finish_cpu(layer, sums, affine_of(affine), gamma, through_batch,
                                      gamma_gradient, beta_gradient, lines);
  }
  if (!gradients.x.defined()) return;
  void* dx = mutable_data(gradients.x);
  if (x.is_cuda()) {
    kernels::norm_backward_cuda(layer, data(x), affine_of(affine), lines, data(other), arriving,
                                passed, dx, Stream{});
  } else {
    for_chunks(layer, [&](ChunkRange range) {
      kernels::norm_backward_cpu(layer, data(x), affine_of(affine), lines, data(other), arriving,
                                 passed, dx, range);
    });
  }
}

}  // namespace bitsweep::exec
