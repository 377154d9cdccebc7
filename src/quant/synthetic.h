// The synthetic analyses of document 004 (facts B.8): what clipping and bit allocation cost on
// values drawn from the distributions that the formulas assume. Float64; everything drawn is a pure
// function of the seed (Philox, stream kSyntheticStream).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "quant/clipping_noise.h"

namespace bitsweep::quant {

inline constexpr std::uint32_t kSyntheticStream = 7;

// n values with mean 0 and the prior's scale (b or σ). `run` tells draws of one seed apart.
std::vector<double> drawn_values(Prior prior, double scale, std::int64_t n, std::uint64_t seed,
                                 std::uint32_t run);

// scale²·clipping_mse(α / scale) of M bits: the analytic curve.
std::vector<double> analytic_curve(Prior prior, double scale, int bits,
                                   std::span<const double> alphas);

// The same measured on `values`: clipped to ±α, then rounded to multiples of 2α / 2^M, ties to
// even. As the document's script has it: 2^M + 1 levels.
std::vector<double> simulated_curve(std::span<const double> values, int bits,
                                    std::span<const double> alphas);

// The share of the bins that the first of two channels should get: σ₁^(2/3) / (σ₁^(2/3) + σ₂^(2/3))
// (equation 10).
double best_share(double sigma1, double sigma2);

// Two Gauss channels share `bins` bins, p of them to the first: each is rounded to multiples of
// (max − min) / its bins, and the two mean squared errors are added. One entry per p.
struct TwoChannels {
  double sigma1 = 1;
  double sigma2 = 1;
  double bins = 32;
  std::int64_t samples = 10000;  // of each
};
std::vector<double> split_curve(const TwoChannels& channels, std::span<const double> shares,
                                std::uint64_t seed, std::uint32_t run);

// |mean| in steps of a grid of `bits` bits over the channel's own range, 2^bits·|mean|/(max − min);
// 0 where the channel is constant. Document 004's bias study: half a step and more is a mean that
// rounding may lose.
double mean_in_steps(std::span<const float> channel, int bits);

// begin, begin + step, … below or at `end` to within a thousandth of a step.
std::vector<double> evenly_spaced(double begin, double end, double step);

}  // namespace bitsweep::quant
