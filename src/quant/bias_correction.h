// Corrections of what quantization does to the mean and the variance of each output channel
// (document 004; facts B.4).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace bitsweep::quant {

// w = scale · w_q + shift. For integer execution the scale goes into the channel's grid step, and
// the shift is a constant times the sum of the layer's input window.
struct ChannelCorrection {
  double scale = 1;
  double shift = 0;
};

// What `rule` asks for, one per channel. weight, quantized: [channels, …] of one size, before and
// after quantization. With means m, m_q and unbiased standard deviations s, s_q of a channel, and
// ξ = s / (s_q + 1e-8):
//   mean:          w_q + (m − m_q)                 (the published commands)
//   variance:      ξ·(w_q − m_q) + m_q             (code)
//   mean_variance: ξ·(w_q − m_q) + m               (code, both flags)
//   paper:         ξ·(w_q + m − m_q), ξ = s / s_q  (equations 12 and 13)
// A channel that is constant after quantization has nothing to stretch: ξ = 1. Throws ConfigError
// for another word.
std::vector<ChannelCorrection> weight_corrections(std::string_view rule,
                                                  std::span<const float> weight,
                                                  std::span<const float> quantized,
                                                  std::int64_t channels);

// quantized[c, …] = scale_c · quantized[c, …] + shift_c, in float64, rounded once.
void apply_corrections(std::span<const ChannelCorrection> corrections, std::span<float> quantized);

// quantized[c, …] = factor_c · quantized[c, …], in float64, rounded once.
void rescale(std::span<const double> factors, std::span<float> quantized);

// Sums over what an activation quantizer saw of one channel.
struct ActivationSums {
  double value = 0;           // Σ y, ReLU(y) where the quantizer performs it
  double quantized = 0;       // Σ y_q
  std::int64_t positive = 0;  // how many y > 0

  // What is to be added to every positive y_q so that the sums agree (`-bca`); 0 where no y is
  // positive.
  double correction() const {
    return positive > 0 ? (value - quantized) / static_cast<double>(positive) : 0.0;
  }
};

// Adds one stretch of a channel. values, quantized: of one size.
void add_sums(std::span<const float> values, std::span<const float> quantized, bool half_range,
              ActivationSums& sums);

// Adds ActivationSums::correction() to every positive element.
void correct_positive(double correction, std::span<float> quantized);

}  // namespace bitsweep::quant
