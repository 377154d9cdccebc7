// CUDA twins of fused_layer.h. Element by element the formulas of fused_layer_math.h; sums per
// channel in the chunks of the CPU (one block a chunk and a stretch of channels), so that no atomic
// decides an order.
#include <algorithm>
#include <type_traits>

#include "kernels/cuda_check.cuh"
#include "kernels/fused_layer.h"
#include "kernels/launch.cuh"

namespace bitsweep::kernels {
namespace {

constexpr int kLanes = 32;  // channels beside each other in a block that sums
constexpr int kRows = kThreads / kLanes;

struct Tail {
  FusedLayer layer;
  const NormAffine* affine;

  template <class T>
  __device__ float before(const T* x, const T* other, std::int64_t i) const {
    float u = to_float(x[i]);
    if (affine != nullptr) {
      const NormAffine a = affine[i % layer.channels];
      u = u * a.scale + a.shift;
    }
    return other != nullptr ? u + to_float(other[i]) : u;
  }

  __device__ ClampGrid grid() const {
    return clamp_grid(layer.quantizer, layer.alpha != nullptr ? *layer.alpha : 0.0f);
  }
  __device__ bool quantized() const { return layer.quantizer.kind != ClampQuantizerKind::none; }
};

template <class T, Nonlinearity kKind>
__global__ void forward_kernel(Tail tail, const T* x, const T* other, T* y) {
  const ClampGrid grid = tail.grid();
  const std::int64_t n = tail.layer.rows * tail.layer.channels;
  for (std::int64_t i = first_index(); i < n; i += stride()) {
    const float u = tail.before(x, other, i);
    float t = nonlinear<kKind>(u, tail.layer.nonlinearity);
    if (tail.quantized()) t = clamp_quantize(t, grid);
    from_float(t, y[i]);
  }
}

struct Passed {
  float gradient;
  float alpha;
};

// The gradient before the norm, and what α gets, of element i.
template <class T, Nonlinearity kKind>
__device__ Passed pass(const Tail& tail, const ClampGrid& grid, const T* x, const T* other,
                       const T* first, const T* second, std::int64_t i) {
  const float u = tail.before(x, other, i);
  float g = to_float(first[i]);
  if (second != nullptr) g += to_float(second[i]);
  Passed out{g, 0.0f};
  if (tail.quantized()) {
    const float t = nonlinear<kKind>(u, tail.layer.nonlinearity);
    out.alpha = g * clamp_alpha_slope(t, grid);
    out.gradient = g * clamp_slope(t, grid);
  }
  out.gradient *= nonlinear_slope<kKind>(u, tail.layer.nonlinearity);
  return out;
}

template <class T>
__global__ void pivots_kernel(FusedLayer layer, const T* x, float* pivots, std::int64_t rows) {
  for (std::int64_t c = first_index(); c < layer.channels; c += stride()) {
    float sum = 0.0f;
    for (std::int64_t row = 0; row < rows; ++row) sum += to_float(x[row * layer.channels + c]);
    pivots[c] = rows > 0 ? sum / static_cast<float>(rows) : 0.0f;
  }
}

// Two sums over the rows of one chunk (blockIdx.x) for kLanes channels (blockIdx.y):
// threads (lane, row), then the rows of a lane in their order.
template <class Terms>
__device__ void chunk_sums(const FusedLayer& layer, std::int64_t rows_per_chunk, double* out,
                           Terms terms) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  const int thread_row = static_cast<int>(threadIdx.x) / kLanes;
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.y) * kLanes + lane;
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x) * rows_per_chunk;
  const std::int64_t limit = begin + rows_per_chunk;
  const std::int64_t end = limit < layer.rows ? limit : layer.rows;
  float first = 0.0f, second = 0.0f;
  if (c < layer.channels) {
    for (std::int64_t row = begin + thread_row; row < end; row += kRows)
      terms(row * layer.channels + c, c, first, second);
  }
  __shared__ float partial[2][kRows][kLanes];
  partial[0][thread_row][lane] = first;
  partial[1][thread_row][lane] = second;
  __syncthreads();
  if (thread_row != 0 || c >= layer.channels) return;
  double sums[2] = {0.0, 0.0};
  for (int row = 0; row < kRows; ++row) {
    sums[0] += static_cast<double>(partial[0][row][lane]);
    sums[1] += static_cast<double>(partial[1][row][lane]);
  }
  double* entry = out + 2 * (static_cast<std::int64_t>(blockIdx.x) * layer.channels + c);
  entry[0] = sums[0];
  entry[1] = sums[1];
}

template <class T>
__global__ void norm_sums_kernel(FusedLayer layer, std::int64_t rows_per_chunk, const T* x,
                                 const float* pivots, NormSums* sums) {
  chunk_sums(layer, rows_per_chunk, &sums->sum,
             [&](std::int64_t i, std::int64_t c, float& sum, float& squares) {
               const float d = to_float(x[i]) - pivots[c];
               sum += d;
               squares += d * d;
             });
}

template <class T, Nonlinearity kKind>
__global__ void backward_sums_kernel(Tail tail, std::int64_t rows_per_chunk, const T* x,
                                     const T* other, const T* first, const T* second,
                                     GradientSums* sums) {
  const ClampGrid grid = tail.grid();
  chunk_sums(tail.layer, rows_per_chunk, &sums->gradient,
             [&](std::int64_t i, std::int64_t c, float& sum, float& product) {
               const float g = pass<T, kKind>(tail, grid, x, other, first, second, i).gradient;
               sum += g;
               product += g * (to_float(x[i]) - tail.affine[c].mean);
             });
}

// alpha_sums[chunk], one block a chunk: threads stride over its elements, then in their order.
template <class T, Nonlinearity kKind>
__global__ void alpha_sums_kernel(Tail tail, std::int64_t rows_per_chunk, const T* x,
                                  const T* other, const T* first, const T* second,
                                  double* alpha_sums) {
  const ClampGrid grid = tail.grid();
  const std::int64_t begin =
      static_cast<std::int64_t>(blockIdx.x) * rows_per_chunk * tail.layer.channels;
  const std::int64_t limit = begin + rows_per_chunk * tail.layer.channels;
  const std::int64_t all = tail.layer.rows * tail.layer.channels;
  const std::int64_t end = limit < all ? limit : all;
  float sum = 0.0f;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += blockDim.x)
    sum += pass<T, kKind>(tail, grid, x, other, first, second, i).alpha;
  __shared__ float partial[kThreads];
  partial[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  double total = 0.0;
  for (int thread = 0; thread < kThreads; ++thread) total += static_cast<double>(partial[thread]);
  alpha_sums[blockIdx.x] = total;
}

template <class T, Nonlinearity kKind>
__global__ void pass_kernel(Tail tail, const T* x, const T* other, const T* first, const T* second,
                            T* passed) {
  const ClampGrid grid = tail.grid();
  const std::int64_t n = tail.layer.rows * tail.layer.channels;
  for (std::int64_t i = first_index(); i < n; i += stride())
    from_float(pass<T, kKind>(tail, grid, x, other, first, second, i).gradient, passed[i]);
}

template <class T, Nonlinearity kKind>
__global__ void norm_backward_kernel(Tail tail, const NormGradient* norm, const T* x,
                                     const T* other, const T* first, const T* second,
                                     const T* passed, T* dx) {
  const ClampGrid grid = tail.grid();
  const std::int64_t n = tail.layer.rows * tail.layer.channels;
  for (std::int64_t i = first_index(); i < n; i += stride()) {
    const std::int64_t c = i % tail.layer.channels;
    const float g = passed != nullptr
                        ? to_float(passed[i])
                        : pass<T, kKind>(tail, grid, x, other, first, second, i).gradient;
    const NormGradient line = norm[c];
    from_float(line.slope * g + line.line * (to_float(x[i]) - tail.affine[c].mean) + line.constant,
               dx[i]);
  }
}

__device__ NormSums sum_of(const NormSums* sums, std::int64_t i, NormSums so_far) {
  return {so_far.sum + sums[i].sum, so_far.squares + sums[i].squares};
}
__device__ GradientSums sum_of(const GradientSums* sums, std::int64_t i, GradientSums so_far) {
  return {so_far.gradient + sums[i].gradient, so_far.product + sums[i].product};
}
template <class Sums>
__device__ Sums over_chunks(const Sums* sums, std::int64_t chunks, std::int64_t channels,
                            std::int64_t c) {
  Sums out{};
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
    out = sum_of(sums, chunk * channels + c, out);
  return out;
}

__global__ void norm_finish_kernel(FusedLayer layer, std::int64_t chunks, const NormSums* sums,
                                   const float* pivots, NormParameters p, const double* share,
                                   NormAffine* affine) {
  for (std::int64_t c = first_index(); c < layer.channels; c += stride()) {
    const NormMoments m =
        norm_moments(over_chunks(sums, chunks, layer.channels, c), pivots[c], layer.rows);
    affine[c] = norm_affine(m.mean, m.variance, p.eps, p.gamma[c], p.beta[c]);
    p.running_mean[c] = running_mean_update(p.running_mean[c], m.mean, *share);
    p.running_var[c] = running_var_update(p.running_var[c], m.variance, layer.rows, *share);
  }
}

__global__ void norm_evaluate_kernel(std::int64_t channels, NormParameters p, NormAffine* affine) {
  for (std::int64_t c = first_index(); c < channels; c += stride())
    affine[c] = norm_affine(p.running_mean[c], p.running_var[c], p.eps, p.gamma[c], p.beta[c]);
}

__global__ void gradient_finish_kernel(FusedLayer layer, std::int64_t chunks,
                                       const GradientSums* sums, const NormAffine* affine,
                                       const float* gamma, bool through_batch,
                                       float* gamma_gradient, float* beta_gradient,
                                       NormGradient* norm) {
  for (std::int64_t c = first_index(); c < layer.channels; c += stride()) {
    const GradientSums sum = over_chunks(sums, chunks, layer.channels, c);
    gamma_gradient[c] = norm_gamma_gradient(sum, affine[c]);
    beta_gradient[c] = norm_beta_gradient(sum);
    norm[c] = norm_gradient(sum, affine[c], gamma[c], layer.rows);
    if (!through_batch) norm[c] = {norm[c].slope, 0.0f, 0.0f};
  }
}

__global__ void alpha_gradient_kernel(const double* alpha_sums, std::int64_t chunks, float* out) {
  double total = 0.0;
  for (std::int64_t i = 0; i < chunks; ++i) total += alpha_sums[i];
  *out = static_cast<float>(total);
}

// Calls launch with a null pointer of the layer's element type, and its nonlinearity as a type.
template <Nonlinearity kKind>
struct KindOf {
  static constexpr Nonlinearity value = kKind;
};

template <class Launch>
void with_kind(const FusedLayer& layer, Launch launch) {
  switch (layer.nonlinearity.kind) {
    case Nonlinearity::clamp:
      return launch(KindOf<Nonlinearity::clamp>{});
    case Nonlinearity::hard_swish:
      return launch(KindOf<Nonlinearity::hard_swish>{});
    case Nonlinearity::hard_sigmoid:
      return launch(KindOf<Nonlinearity::hard_sigmoid>{});
    case Nonlinearity::hard_sigmoid_fifth:
      return launch(KindOf<Nonlinearity::hard_sigmoid_fifth>{});
  }
}

template <class Launch>
void with_element(const FusedLayer& layer, Launch launch) {
  if (layer.element == Element::f32) return launch(static_cast<const float*>(nullptr));
  launch(static_cast<const BFloat16*>(nullptr));
}

template <class T>
const T* as(const T*, const void* array) {
  return static_cast<const T*>(array);
}
template <class T>
T* as(const T*, void* array) {
  return static_cast<T*>(array);
}

dim3 sum_blocks(const FusedLayer& layer) {
  return dim3(static_cast<unsigned>(chunk_count(layer.rows, layer.channels)),
              static_cast<unsigned>((layer.channels + kLanes - 1) / kLanes));
}

bool is_empty(const FusedLayer& layer) { return layer.rows * layer.channels == 0; }

}  // namespace

void norm_pivots_cuda(const FusedLayer& layer, const void* x, float* pivots, Stream stream) {
  if (layer.channels == 0) return;
  const std::int64_t rows = std::min<std::int64_t>(layer.rows, kPivotRows);
  with_element(layer, [&](auto* t) {
    pivots_kernel<<<blocks_for(layer.channels), kThreads, 0, native(stream)>>>(layer, as(t, x),
                                                                               pivots, rows);
  });
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

void norm_sums_cuda(const FusedLayer& layer, const void* x, const float* pivots, NormSums* sums,
                    Stream stream) {
  if (is_empty(layer)) return;
  with_element(layer, [&](auto* t) {
    norm_sums_kernel<<<sum_blocks(layer), kThreads, 0, native(stream)>>>(
        layer, chunk_rows(layer.channels), as(t, x), pivots, sums);
  });
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

void fused_forward_cuda(const FusedLayer& layer, const void* x, const NormAffine* affine,
                        const void* other, void* y, Stream stream) {
  if (is_empty(layer)) return;
  with_element(layer, [&](auto* t) {
    with_kind(layer, [&](auto kind) {
      using T = std::remove_const_t<std::remove_pointer_t<decltype(t)>>;
      forward_kernel<T, decltype(kind)::value>
          <<<blocks_for(layer.rows * layer.channels), kThreads, 0, native(stream)>>>(
              Tail{layer, affine}, as(t, x), as(t, other), as(t, y));
    });
  });
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

void fused_backward_sums_cuda(const FusedLayer& layer, const void* x, const NormAffine* affine,
                              const void* other, ArrivingGradient gradient, GradientSums* sums,
                              double* alpha_sums, void* passed, Stream stream) {
  if (is_empty(layer)) return;
  const std::int64_t rows = chunk_rows(layer.channels);
  const Tail tail{layer, affine};
  with_element(layer, [&](auto* t) {
    with_kind(layer, [&](auto kind) {
      using T = std::remove_const_t<std::remove_pointer_t<decltype(t)>>;
      constexpr Nonlinearity kKind = decltype(kind)::value;
      const T* first = as(t, gradient.first);
      const T* second = as(t, gradient.second);
      if (sums != nullptr) {
        backward_sums_kernel<T, kKind><<<sum_blocks(layer), kThreads, 0, native(stream)>>>(
            tail, rows, as(t, x), as(t, other), first, second, sums);
      }
      if (alpha_sums != nullptr) {
        const auto chunks = static_cast<unsigned>(chunk_count(layer.rows, layer.channels));
        alpha_sums_kernel<T, kKind><<<chunks, kThreads, 0, native(stream)>>>(
            tail, rows, as(t, x), as(t, other), first, second, alpha_sums);
      }
      // Last, because it may overwrite an arriving gradient.
      if (passed != nullptr) {
        pass_kernel<T, kKind>
            <<<blocks_for(layer.rows * layer.channels), kThreads, 0, native(stream)>>>(
                tail, as(t, x), as(t, other), first, second, as(t, passed));
      }
    });
  });
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

void norm_backward_cuda(const FusedLayer& layer, const void* x, const NormAffine* affine,
                        const NormGradient* norm, const void* other, ArrivingGradient gradient,
                        const void* passed, void* dx, Stream stream) {
  if (is_empty(layer)) return;
  with_element(layer, [&](auto* t) {
    with_kind(layer, [&](auto kind) {
      using T = std::remove_const_t<std::remove_pointer_t<decltype(t)>>;
      norm_backward_kernel<T, decltype(kind)::value>
          <<<blocks_for(layer.rows * layer.channels), kThreads, 0, native(stream)>>>(
              Tail{layer, affine}, norm, as(t, x), as(t, other), as(t, gradient.first),
              as(t, gradient.second), as(t, passed), as(t, dx));
    });
  });
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

void norm_finish_cuda(const FusedLayer& layer, const NormSums* sums, const float* pivots,
                      const NormParameters& parameters, const double* share, NormAffine* affine,
                      Stream stream) {
  if (layer.channels == 0) return;
  norm_finish_kernel<<<blocks_for(layer.channels), kThreads, 0, native(stream)>>>(
      layer, chunk_count(layer.rows, layer.channels), sums, pivots, parameters, share, affine);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

void norm_evaluate_cuda(std::int64_t channels, const NormParameters& parameters, NormAffine* affine,
                        Stream stream) {
  if (channels == 0) return;
  norm_evaluate_kernel<<<blocks_for(channels), kThreads, 0, native(stream)>>>(channels, parameters,
                                                                              affine);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

void norm_gradient_finish_cuda(const FusedLayer& layer, const GradientSums* sums,
                               const NormAffine* affine, const float* gamma, bool through_batch,
                               float* gamma_gradient, float* beta_gradient, NormGradient* norm,
                               Stream stream) {
  if (layer.channels == 0) return;
  gradient_finish_kernel<<<blocks_for(layer.channels), kThreads, 0, native(stream)>>>(
      layer, chunk_count(layer.rows, layer.channels), sums, affine, gamma, through_batch,
      gamma_gradient, beta_gradient, norm);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

void alpha_gradient_cuda(const double* alpha_sums, std::int64_t chunks, float* out, Stream stream) {
  alpha_gradient_kernel<<<1, 1, 0, native(stream)>>>(alpha_sums, chunks, out);
  BITSWEEP_CUDA_CHECK(cudaGetLastError());
}

}  // namespace bitsweep::kernels
