// The fused layers of kernels/fused_layer.h on tensors: on the CPU with LibTorch's threads (a
// number that changes no bit), on CUDA on the default stream.
#pragma once

#include <ATen/core/Tensor.h>

#include "graph/graph.h"
#include "kernels/fixed_point_math.h"
#include "kernels/fused_layer.h"

namespace bitsweep::exec {

// Shape and element type from `x`, [batch, channels, height, width] in channels-last order.
kernels::FusedLayer fused_layer(const at::Tensor& x);

// A batch norm's tensors, [features] float32 each. gamma_gradient, beta_gradient: undefined where
// nothing is trained.
struct NormTensors {
  at::Tensor gamma, beta, running_mean, running_var;
  at::Tensor gamma_gradient, beta_gradient;
  double eps = 1e-5;
};

// Room that fused steps share, kept between them.
class FusedScratch {
 public:
  explicit FusedScratch(at::Device device) : device_(device) {}
  // At least n values; what stood there is lost.
  template <class T>
  T* array(std::int64_t n, int which) {
    return static_cast<T*>(bytes(n * static_cast<std::int64_t>(sizeof(T)), which));
  }

 private:
  void* bytes(std::int64_t n, int which);
  at::Device device_;
  at::Tensor buffers_[4];
};

// affine: [channels] of NormAffine, as bytes. Training: from x, and the running statistics move by
// `share` (float64, one element, on x's device).
void norm_from_batch(const at::Tensor& x, const NormTensors& norm, const at::Tensor& share,
                     FusedScratch& scratch, at::Tensor& affine);
void norm_from_running(const NormTensors& norm, at::Tensor& affine);
// Puts scale and shift of `affine` on a fixed-point grid (kernels/fixed_norm_math.h). A few numbers
// a channel: done on the host, which waits for a GPU.
void fix_norm(at::Tensor& affine, kernels::FixedPoint format);
at::Tensor empty_affine(std::int64_t channels, at::Device device);

// affine, other: undefined where there is none.
void fused_forward(const kernels::FusedLayer& layer, const at::Tensor& x, const at::Tensor& affine,
                   const at::Tensor& other, at::Tensor& y);

// What the backward of a fused step is asked for; undefined: not wanted.
struct FusedGradients {
  at::Tensor x;
  at::Tensor other;           // may be the same tensor as x where there is no norm
  at::Tensor alpha_gradient;  // one float32
};

// second: undefined where one gradient alone arrives at y.
void fused_backward(const kernels::FusedLayer& layer, const at::Tensor& x, const at::Tensor& affine,
                    const NormTensors* norm, bool through_batch, const at::Tensor& other,
                    const at::Tensor& first, const at::Tensor& second, FusedScratch& scratch,
                    FusedGradients& gradients);

}  // namespace bitsweep::exec
