#include "quant/bias_correction.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/error.h"
#include "kernels/moments.h"

namespace bitsweep::quant {
namespace {

constexpr double kCodeFloor = 1e-8;  // of the code's ξ

// Equal float32 values have a mean, in float64, that may differ from them in the last place.
bool is_constant(const kernels::Moments& moments) {
  return moments.std <= 1e-12 * std::abs(moments.mean);
}

ChannelCorrection correction(std::string_view rule, const kernels::Moments& w,
                             const kernels::Moments& q) {
  if (rule == "mean") return {1, w.mean - q.mean};
  const bool paper = rule == "paper";
  const double xi = is_constant(q) ? 1 : w.std / (paper ? q.std : q.std + kCodeFloor);
  if (rule == "variance") return {xi, q.mean - xi * q.mean};
  if (rule == "mean_variance") return {xi, w.mean - xi * q.mean};
  if (paper) return {xi, xi * (w.mean - q.mean)};
  throw ConfigError(
      fmt::format("bias correction '{}': expected mean, variance, mean_variance or paper", rule));
}

std::vector<kernels::Moments> moments_of(std::span<const float> values, std::int64_t channels) {
  std::vector<kernels::Moments> out(static_cast<std::size_t>(channels));
  const auto n = static_cast<std::int64_t>(values.size());
  kernels::moments_cpu(values.data(), {1, channels, n / channels}, out.data());
  return out;
}

}  // namespace

std::vector<ChannelCorrection> weight_corrections(std::string_view rule,
                                                  std::span<const float> weight,
                                                  std::span<const float> quantized,
                                                  std::int64_t channels) {
  BITSWEEP_CHECK(weight.size() == quantized.size() && channels > 0 &&
                     weight.size() % static_cast<std::size_t>(channels) == 0,
                 "{} and {} weights, {} channels", weight.size(), quantized.size(), channels);
  const auto before = moments_of(weight, channels);
  const auto after = moments_of(quantized, channels);
  std::vector<ChannelCorrection> out;
  for (std::size_t c = 0; c < before.size(); ++c) {
    out.push_back(correction(rule, before[c], after[c]));
  }
  return out;
}

void apply_corrections(std::span<const ChannelCorrection> corrections, std::span<float> quantized) {
  const std::size_t size = quantized.size() / corrections.size();
  for (std::size_t c = 0; c < corrections.size(); ++c) {
    const auto [scale, shift] = corrections[c];
    for (float& w : quantized.subspan(c * size, size)) {
      w = static_cast<float>(scale * static_cast<double>(w) + shift);
    }
  }
}

void rescale(std::span<const double> factors, std::span<float> quantized) {
  const std::size_t size = quantized.size() / factors.size();
  for (std::size_t c = 0; c < factors.size(); ++c) {
    for (float& w : quantized.subspan(c * size, size)) {
      w = static_cast<float>(factors[c] * static_cast<double>(w));
    }
  }
}

void add_sums(std::span<const float> values, std::span<const float> quantized, bool half_range,
              ActivationSums& sums) {
  BITSWEEP_CHECK(values.size() == quantized.size(), "{} and {} values", values.size(),
                 quantized.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    sums.value += half_range ? std::max(values[i], 0.0F) : values[i];
    sums.quantized += quantized[i];
    sums.positive += values[i] > 0;
  }
}

void correct_positive(double correction, std::span<float> quantized) {
  for (float& y : quantized) {
    if (y > 0) y = static_cast<float>(static_cast<double>(y) + correction);
  }
}

}  // namespace bitsweep::quant
