// Everything between one convolution and the next in few passes over memory: batch norm, addition,
// nonlinearity and quantizer (kernels/fused_layer_math.h), forwards and backwards, for activations
// in channels-last order.
//
// Arrays are [rows, channels] of the element type (rows = batch · height · width). Work is cut into
// chunks of chunk_rows() rows; a call does the chunks [begin, end) of the array, so that a caller
// can share them between threads: chunks are independent, sums of chunks are added in their order,
// and so any number of threads gives the same bits, as does every instruction set.
#pragma once

#include <cstdint>

#include "kernels/clamp_quantize_math.h"
#include "kernels/element.h"
#include "kernels/fused_layer_math.h"
#include "kernels/stream.h"

namespace bitsweep::kernels {

struct FusedLayer {
  std::int64_t rows = 0;
  std::int64_t channels = 0;
  Element element = Element::f32;
  NonlinearityParams nonlinearity;
  ClampQuantizer quantizer;
  const float* alpha = nullptr;  // of a quantizer that learns (device memory on CUDA)
};

// The rows that a norm's pivots are taken from.
inline constexpr std::int64_t kPivotRows = 16;

std::int64_t chunk_rows(std::int64_t channels);
std::int64_t chunk_count(std::int64_t rows, std::int64_t channels);

struct ChunkRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

// ---- CPU, on the calling thread ----

// pivot[c] = mean of channel c over the first kPivotRows rows (of fewer where there are fewer).
// Cheap.
void norm_pivots_cpu(const FusedLayer& layer, const void* x, float* pivots);

// sums[chunk · channels + c], for each chunk of the range. pivots: [channels].
void norm_sums_cpu(const FusedLayer& layer, const void* x, const float* pivots, NormSums* sums,
                   ChunkRange chunks);

// y = quantizer(nonlinearity(scale·x + shift + other)). affine: [channels], or nullptr for scale 1
// and shift 0; other: [rows, channels] or nullptr. y may be x or other.
void fused_forward_cpu(const FusedLayer& layer, const void* x, const NormAffine* affine,
                       const void* other, void* y, ChunkRange chunks);

// The gradients that arrive at y: one array, or the sum of two (second may be nullptr).
struct ArrivingGradient {
  const void* first = nullptr;
  const void* second = nullptr;
};

// The first pass backwards. sums[chunk · channels + c] of the gradient before the norm (nullptr:
// not wanted, no norm); alpha_sums[chunk] = Σ g · dy/dα (nullptr: nothing is learned); passed: that
// gradient itself, which is also that of `other` and, without a norm, of x (nullptr: not wanted).
// passed may be one of the arriving arrays.
void fused_backward_sums_cpu(const FusedLayer& layer, const void* x, const NormAffine* affine,
                             const void* other, ArrivingGradient gradient, GradientSums* sums,
                             double* alpha_sums, void* passed, ChunkRange chunks);

// The second pass: dx through the norm. `passed` as the first pass wrote it, or nullptr to compute
// it again from `gradient`. dx may be `passed` or an arriving array.
void norm_backward_cpu(const FusedLayer& layer, const void* x, const NormAffine* affine,
                       const NormGradient* norm, const void* other, ArrivingGradient gradient,
                       const void* passed, void* dx, ChunkRange chunks);

// ---- CUDA: as above on all chunks, every array in memory of the stream's device. Return when the
// work is queued. Throw CudaError (kernels/error.h), also in a build without CUDA. ----

void norm_pivots_cuda(const FusedLayer& layer, const void* x, float* pivots, Stream stream);
void norm_sums_cuda(const FusedLayer& layer, const void* x, const float* pivots, NormSums* sums,
                    Stream stream);
void fused_forward_cuda(const FusedLayer& layer, const void* x, const NormAffine* affine,
                        const void* other, void* y, Stream stream);
void fused_backward_sums_cuda(const FusedLayer& layer, const void* x, const NormAffine* affine,
                              const void* other, ArrivingGradient gradient, GradientSums* sums,
                              double* alpha_sums, void* passed, Stream stream);
void norm_backward_cuda(const FusedLayer& layer, const void* x, const NormAffine* affine,
                        const NormGradient* norm, const void* other, ArrivingGradient gradient,
                        const void* passed, void* dx, Stream stream);

// ---- Per channel, from the sums of all chunks in their order: tiny; the same on both devices ----

struct NormParameters {
  const float* gamma;
  const float* beta;
  float* running_mean;
  float* running_var;
  double eps = 1e-5;
};

// Training: affine from the batch's own moments; the running statistics move by `share` (1 / k for
// the k-th batch of a re-estimation, 0 leaves them).
void norm_finish_cpu(const FusedLayer& layer, const NormSums* sums, const float* pivots,
                     const NormParameters& parameters, double share, NormAffine* affine);
// Evaluation: affine from the running statistics.
void norm_evaluate_cpu(std::int64_t channels, const NormParameters& parameters, NormAffine* affine);
// Gradients of γ and β (overwritten), and the line that norm_backward follows. `through_batch`:
// whether the batch's own statistics were used (training) or the running ones.
void norm_gradient_finish_cpu(const FusedLayer& layer, const GradientSums* sums,
                              const NormAffine* affine, const float* gamma, bool through_batch,
                              float* gamma_gradient, float* beta_gradient, NormGradient* norm);

void norm_finish_cuda(const FusedLayer& layer, const NormSums* sums, const float* pivots,
                      const NormParameters& parameters, const double* share, NormAffine* affine,
                      Stream stream);
void norm_evaluate_cuda(std::int64_t channels, const NormParameters& parameters, NormAffine* affine,
                        Stream stream);
void norm_gradient_finish_cuda(const FusedLayer& layer, const GradientSums* sums,
                               const NormAffine* affine, const float* gamma, bool through_batch,
                               float* gamma_gradient, float* beta_gradient, NormGradient* norm,
                               Stream stream);
// out = Σ alpha_sums[chunk], in their order.
void alpha_gradient_cuda(const double* alpha_sums, std::int64_t chunks, float* out, Stream stream);

}  // namespace bitsweep::kernels
