// The CPU entry points of fused_layer.h, and what is done once per channel.
#include "kernels/fused_layer.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "kernels/cpu_loops.h"

namespace bitsweep::kernels {
namespace {

constexpr std::int64_t kChunkElements = 16384;  // 64 KiB of float32: stays in a core's cache
constexpr std::int64_t kMinBlock = 256;  // elements

void check(const FusedLayer& layer, ChunkRange chunks) {
  if (chunks.begin < 0 || chunks.begin > chunks.end ||
      chunks.end > chunk_count(layer.rows, layer.channels))
    throw std::invalid_argument("kernels: chunks lie outside their array");
  if (layer.quantizer.learns() && layer.alpha == nullptr)
    throw std::invalid_argument("kernels: a quantizer that learns has no alpha");
}

NormSums operator+(const NormSums& a, const NormSums& b) {
  return {a.sum + b.sum, a.squares + b.squares};
}
GradientSums operator+(const GradientSums& a, const GradientSums& b) {
  return {a.gradient + b.gradient, a.product + b.product};
}

template <class Sums>
Sums total(const Sums* sums, std::int64_t chunks, std::int64_t channels, std::int64_t channel) {
  Sums out{};
  for (std::int64_t chunk = 0; chunk < chunks; ++chunk)
    out = out + sums[chunk * channels + channel];
  return out;
}

// FusedTables and what they point to.
class Tables {
 public:
  explicit Tables(const FusedLayer& layer)
      : channels_(layer.channels),
        rows_(layer.channels >= kMinBlock ? 1 : kMinBlock / layer.channels),
        values_(static_cast<std::size_t>(kArrays * rows_ * channels_)) {
    tables_ = {.block_rows = rows_,
               .scale = array(0),
               .shift = array(1),
               .mean = array(2),
               .slope = array(3),
               .line = array(4),
               .constant = array(5),
               .arrived = array(6),
               .passed = array(7),
               .alpha = array(8),
               .sum = array(9),
               .product = array(10)};
  }
  Tables(const FusedLayer& layer, const NormAffine* affine) : Tables(layer) {
    spread(0, [&](std::int64_t c) { return affine != nullptr ? affine[c].scale : 1.0f; });
    spread(1, [&](std::int64_t c) { return affine != nullptr ? affine[c].shift : 0.0f; });
    spread(2, [&](std::int64_t c) { return affine != nullptr ? affine[c].mean : 0.0f; });
  }

  void set_pivots(const float* pivots) {
    spread(2, [&](std::int64_t c) { return pivots[c]; });
  }
  void set_gradient(const NormGradient* norm) {
    spread(3, [&](std::int64_t c) { return norm[c].slope; });
    spread(4, [&](std::int64_t c) { return norm[c].line; });
    spread(5, [&](std::int64_t c) { return norm[c].constant; });
  }
  const FusedTables& get() const { return tables_; }

 private:
  static constexpr std::int64_t kArrays = 11;

  float* array(std::int64_t i) { return values_.data() + i * rows_ * channels_; }
  template <class Value>
  void spread(std::int64_t which, Value value) {
    float* out = array(which);
    for (std::int64_t row = 0; row < rows_; ++row)
      for (std::int64_t c = 0; c < channels_; ++c) *out++ = value(c);
  }

  std::int64_t channels_;
  std::int64_t rows_;
  std::vector<float> values_;
  FusedTables tables_{};
};

template <class T>
void pivots_of(const FusedLayer& layer, const T* x, float* pivots) {
  const std::int64_t rows = std::min(layer.rows, kPivotRows);
  for (std::int64_t c = 0; c < layer.channels; ++c) {
    float sum = 0.0f;
    for (std::int64_t row = 0; row < rows; ++row) sum += to_float(x[row * layer.channels + c]);
    pivots[c] = rows > 0 ? sum / static_cast<float>(rows) : 0.0f;
  }
}

}  // namespace

std::int64_t chunk_rows(std::int64_t channels) {
  return std::max<std::int64_t>(1, kChunkElements / channels);
}

std::int64_t chunk_count(std::int64_t rows, std::int64_t channels) {
  const std::int64_t size = chunk_rows(channels);
  return (rows + size - 1) / size;
}

void norm_pivots_cpu(const FusedLayer& layer, const void* x, float* pivots) {
  if (layer.element == Element::f32) return pivots_of(layer, static_cast<const float*>(x), pivots);
  pivots_of(layer, static_cast<const BFloat16*>(x), pivots);
}

void norm_sums_cpu(const FusedLayer& layer, const void* x, const float* pivots, NormSums* sums,
                   ChunkRange chunks) {
  check(layer, chunks);
  Tables tables(layer);
  tables.set_pivots(pivots);
  pick(&baseline::norm_sums, &x86_64_v3::norm_sums, &x86_64_v4::norm_sums)(layer, tables.get(), x,
                                                                           sums, chunks);
}

void fused_forward_cpu(const FusedLayer& layer, const void* x, const NormAffine* affine,
                       const void* other, void* y, ChunkRange chunks) {
  check(layer, chunks);
  const Tables tables(layer, affine);
  pick(&baseline::fused_forward, &x86_64_v3::fused_forward, &x86_64_v4::fused_forward)(
      layer, tables.get(), x, other, y, chunks);
}

void fused_backward_sums_cpu(const FusedLayer& layer, const void* x, const NormAffine* affine,
                             const void* other, ArrivingGradient gradient, GradientSums* sums,
                             double* alpha_sums, void* passed, ChunkRange chunks) {
  check(layer, chunks);
  const Tables tables(layer, affine);
  pick(&baseline::fused_backward_sums, &x86_64_v3::fused_backward_sums,
       &x86_64_v4::fused_backward_sums)(layer, tables.get(), x, other, gradient, sums, alpha_sums,
                                        passed, chunks);
}

void norm_backward_cpu(const FusedLayer& layer, const void* x, const NormAffine* affine,
                       const NormGradient* norm, const void* other, ArrivingGradient gradient,
                       const void* passed, void* dx, ChunkRange chunks) {
  check(layer, chunks);
  Tables tables(layer, affine);
  tables.set_gradient(norm);
  pick(&baseline::norm_backward, &x86_64_v3::norm_backward, &x86_64_v4::norm_backward)(
      layer, tables.get(), x, other, gradient, passed, dx, chunks);
}

void norm_finish_cpu(const FusedLayer& layer, const NormSums* sums, const float* pivots,
                     const NormParameters& p, double share, NormAffine* affine) {
  const std::int64_t chunks = chunk_count(layer.rows, layer.channels);
  for (std::int64_t c = 0; c < layer.channels; ++c) {
    const NormMoments m =
        norm_moments(total(sums, chunks, layer.channels, c), pivots[c], layer.rows);
    affine[c] = norm_affine(m.mean, m.variance, p.eps, p.gamma[c], p.beta[c]);
    p.running_mean[c] = running_mean_update(p.running_mean[c], m.mean, share);
    p.running_var[c] = running_var_update(p.running_var[c], m.variance, layer.rows, share);
  }
}

void norm_evaluate_cpu(std::int64_t channels, const NormParameters& p, NormAffine* affine) {
  for (std::int64_t c = 0; c < channels; ++c)
    affine[c] = norm_affine(p.running_mean[c], p.running_var[c], p.eps, p.gamma[c], p.beta[c]);
}

void norm_gradient_finish_cpu(const FusedLayer& layer, const GradientSums* sums,
                              const NormAffine* affine, const float* gamma, bool through_batch,
                              float* gamma_gradient, float* beta_gradient, NormGradient* norm) {
  const std::int64_t chunks = chunk_count(layer.rows, layer.channels);
  for (std::int64_t c = 0; c < layer.channels; ++c) {
    const GradientSums sum = total(sums, chunks, layer.channels, c);
    gamma_gradient[c] = norm_gamma_gradient(sum, affine[c]);
    beta_gradient[c] = norm_beta_gradient(sum);
    norm[c] = norm_gradient(sum, affine[c], gamma[c], layer.rows);
    if (!through_batch) norm[c] = {norm[c].slope, 0.0f, 0.0f};
  }
}

}  // namespace bitsweep::kernels
