#include "quant/synthetic.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/check.h"
#include "kernels/philox_math.h"

namespace bitsweep::quant {
namespace {

// Uniform inside 0 … 1, ends excluded.
double uniform(std::uint32_t bits) { return (bits + 0.5) * 0x1p-32; }

double normal_of(std::uint32_t first, std::uint32_t second) {
  return std::sqrt(-2 * std::log(uniform(first))) *
         std::cos(2 * std::numbers::pi * uniform(second));
}

double laplace_of(std::uint32_t size, std::uint32_t side) {
  const double distance = -std::log(uniform(size));
  return side >> 31 == 0 ? distance : -distance;
}

double squared_error(std::span<const double> values, double step, double alpha) {
  double sum = 0;
  for (const double value : values) {
    const double clipped = std::clamp(value, -alpha, alpha);
    const double error = std::rint(clipped / step) * step - value;
    sum += error * error;
  }
  return sum / static_cast<double>(values.size());
}

double range_of(std::span<const double> values) {
  const auto [low, high] = std::ranges::minmax(values);
  return high - low;
}

}  // namespace

std::vector<double> drawn_values(Prior prior, double scale, std::int64_t n, std::uint64_t seed,
                                 std::uint32_t run) {
  BITSWEEP_CHECK(n > 0 && scale > 0, "{} values of scale {}", n, scale);
  const kernels::RandomStream random{seed, kSyntheticStream, run};
  const auto of = prior == Prior::gauss ? normal_of : laplace_of;
  std::vector<double> out;
  for (std::int64_t i = 0; i < n; ++i) {
    const auto index = static_cast<std::uint64_t>(2 * i);
    out.push_back(scale *
                  of(kernels::random_bits(random, index), kernels::random_bits(random, index + 1)));
  }
  return out;
}

std::vector<double> analytic_curve(Prior prior, double scale, int bits,
                                   std::span<const double> alphas) {
  std::vector<double> out;
  for (const double alpha : alphas) {
    out.push_back(scale * scale * clipping_mse(prior, alpha / scale, std::ldexp(1.0, bits)));
  }
  return out;
}

std::vector<double> simulated_curve(std::span<const double> values, int bits,
                                    std::span<const double> alphas) {
  std::vector<double> out;
  for (const double alpha : alphas) {
    out.push_back(squared_error(values, 2 * alpha / std::ldexp(1.0, bits), alpha));
  }
  return out;
}

double best_share(double sigma1, double sigma2) {
  const double first = std::cbrt(sigma1 * sigma1);
  return first / (first + std::cbrt(sigma2 * sigma2));
}

std::vector<double> split_curve(const TwoChannels& channels, std::span<const double> shares,
                                std::uint64_t seed, std::uint32_t run) {
  const std::int64_t n = channels.samples;
  const auto first = drawn_values(Prior::gauss, channels.sigma1, n, seed, 2 * run);
  const auto second = drawn_values(Prior::gauss, channels.sigma2, n, seed, 2 * run + 1);
  const auto error = [](std::span<const double> values, double bins) {
    return squared_error(values, range_of(values) / bins, HUGE_VAL);
  };
  std::vector<double> out;
  for (const double share : shares) {
    BITSWEEP_CHECK(share > 0 && share < 1, "share {}", share);
    out.push_back(error(first, share * channels.bins) + error(second, (1 - share) * channels.bins));
  }
  return out;
}

double mean_in_steps(std::span<const float> channel, int bits) {
  BITSWEEP_CHECK(!channel.empty(), "an empty channel");
  const auto [low, high] = std::ranges::minmax(channel);
  if (low == high) return 0;
  double sum = 0;
  for (const float value : channel) sum += value;
  return std::ldexp(std::abs(sum / static_cast<double>(channel.size())), bits) /
         (static_cast<double>(high) - low);
}

std::vector<double> evenly_spaced(double begin, double end, double step) {
  BITSWEEP_CHECK(step > 0 && begin <= end, "{} to {} by {}", begin, end, step);
  std::vector<double> out;
  const auto steps = static_cast<std::int64_t>(std::floor((end - begin) / step + 1e-3));
  for (std::int64_t i = 0; i <= steps; ++i) out.push_back(begin + static_cast<double>(i) * step);
  return out;
}

}  // namespace bitsweep::quant
