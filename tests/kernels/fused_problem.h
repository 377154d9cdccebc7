// Fused layers made up for tests, and all that the kernels compute from one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/fused_layer.h"

namespace bitsweep::kernels::testing {

// An array of the layer's element type.
using Bytes = std::vector<std::byte>;

inline std::size_t element_size(Element element) {
  return element == Element::f32 ? sizeof(float) : sizeof(BFloat16);
}

inline Bytes encode(const std::vector<float>& values, Element element) {
  Bytes out(values.size() * element_size(element));
  if (element == Element::f32) {
    if (!values.empty()) std::memcpy(out.data(), values.data(), out.size());
    return out;
  }
  auto* to = reinterpret_cast<BFloat16*>(out.data());
  for (const float v : values) from_float(v, *to++);
  return out;
}

inline std::vector<float> decode(const Bytes& bytes, Element element) {
  std::vector<float> out(bytes.size() / element_size(element));
  if (element == Element::f32) {
    if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  }
  const auto* from = reinterpret_cast<const BFloat16*>(bytes.data());
  for (float& v : out) v = to_float(*from++);
  return out;
}

inline std::vector<float> normal_values(std::size_t n, float mean, float deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(mean, deviation);
  std::vector<float> out(n);
  for (float& v : out) v = normal(random);
  return out;
}

inline constexpr NonlinearityParams kIdentity{};
inline constexpr NonlinearityParams kRelu{.low = 0.0f};
inline constexpr NonlinearityParams kRelu6{.low = 0.0f, .high = 6.0f};
inline constexpr NonlinearityParams kHardSwish{.kind = Nonlinearity::hard_swish};
inline constexpr NonlinearityParams kHardSigmoid{.kind = Nonlinearity::hard_sigmoid};
inline constexpr NonlinearityParams kHardSigmoidFifth{.kind = Nonlinearity::hard_sigmoid_fifth};

// Batch norm, addition, nonlinearity, quantizer, on random values; two gradients arrive.
struct FusedProblem {
  FusedLayer layer;
  float alpha = 1.5f;
  Bytes x, other, first, second;
  std::vector<float> gamma, beta;
  double eps = 1e-5;

  FusedProblem(std::int64_t rows, std::int64_t channels, Element element,
               NonlinearityParams nonlinearity, ClampQuantizer quantizer) {
    layer = {.rows = rows,
             .channels = channels,
             .element = element,
             .nonlinearity = nonlinearity,
             .quantizer = quantizer};
    const auto n = static_cast<std::size_t>(rows * channels);
    x = encode(normal_values(n, 0.7f, 2.0f, 1), element);
    other = encode(normal_values(n, 0.0f, 1.0f, 2), element);
    first = encode(normal_values(n, 0.1f, 1.0f, 3), element);
    second = encode(normal_values(n, -0.2f, 0.5f, 4), element);
    gamma = normal_values(static_cast<std::size_t>(channels), 1.0f, 0.3f, 5);
    beta = normal_values(static_cast<std::size_t>(channels), 0.0f, 0.5f, 6);
  }

  std::int64_t chunks() const { return chunk_count(layer.rows, layer.channels); }
  // With the address of this object's α.
  FusedLayer bound() const {
    FusedLayer out = layer;
    out.alpha = &alpha;
    return out;
  }
};

struct FusedOutputs {
  std::vector<float> pivots, running_mean, running_var, gamma_gradient, beta_gradient;
  std::vector<NormAffine> affine;
  std::vector<NormGradient> norm;
  Bytes y, passed, dx;
  Bytes dx_again;  // computed without `passed`
  std::vector<double> alpha_sums;

  double alpha_gradient() const {
    double sum = 0;
    for (const double s : alpha_sums) sum += s;
    return sum;
  }
};

// A training step's two passes on the CPU, the chunks shared out as `parts` has them.
inline FusedOutputs run_fused(const FusedProblem& p, const std::vector<ChunkRange>& parts) {
  const FusedLayer layer = p.bound();
  const auto channels = static_cast<std::size_t>(layer.channels);
  const auto chunks = static_cast<std::size_t>(p.chunks());
  FusedOutputs out;
  out.pivots.resize(channels);
  out.running_mean.assign(channels, 0.5f);
  out.running_var.assign(channels, 2.0f);
  out.gamma_gradient.resize(channels);
  out.beta_gradient.resize(channels);
  out.affine.resize(channels);
  out.norm.resize(channels);
  out.alpha_sums.resize(chunks);
  for (Bytes* bytes : {&out.y, &out.passed, &out.dx, &out.dx_again}) bytes->resize(p.x.size());
  const ArrivingGradient gradient{p.first.data(), p.second.data()};

  std::vector<NormSums> sums(chunks * channels);
  norm_pivots_cpu(layer, p.x.data(), out.pivots.data());
  for (const ChunkRange part : parts)
    norm_sums_cpu(layer, p.x.data(), out.pivots.data(), sums.data(), part);
  norm_finish_cpu(
      layer, sums.data(), out.pivots.data(),
      {p.gamma.data(), p.beta.data(), out.running_mean.data(), out.running_var.data(), p.eps}, 0.1,
      out.affine.data());
  for (const ChunkRange part : parts)
    fused_forward_cpu(layer, p.x.data(), out.affine.data(), p.other.data(), out.y.data(), part);

  std::vector<GradientSums> gradients(chunks * channels);
  for (const ChunkRange part : parts)
    fused_backward_sums_cpu(layer, p.x.data(), out.affine.data(), p.other.data(), gradient,
                            gradients.data(), out.alpha_sums.data(), out.passed.data(), part);
  norm_gradient_finish_cpu(layer, gradients.data(), out.affine.data(), p.gamma.data(), true,
                           out.gamma_gradient.data(), out.beta_gradient.data(), out.norm.data());
  for (const ChunkRange part : parts) {
    norm_backward_cpu(layer, p.x.data(), out.affine.data(), out.norm.data(), p.other.data(),
                      gradient, out.passed.data(), out.dx.data(), part);
    norm_backward_cpu(layer, p.x.data(), out.affine.data(), out.norm.data(), p.other.data(),
                      gradient, nullptr, out.dx_again.data(), part);
  }
  return out;
}

inline FusedOutputs run_fused(const FusedProblem& p) { return run_fused(p, {{0, p.chunks()}}); }

}  // namespace bitsweep::kernels::testing
