#include "quant/bit_allocation.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <queue>

#include "core/check.h"
#include "core/error.h"

namespace bitsweep::quant {
namespace {

constexpr int kMostPasses = 10;
constexpr double kCloseEnough = 0.01;  // bits
constexpr int kWidestGrid = 16;

double round_as(double width, AllocationRounding rounding) {
  return rounding == AllocationRounding::nearest ? std::nearbyint(width) : std::ceil(width);
}

// Levels of each channel: its share of n·2^average by p^(2/3).
std::vector<double> shares(std::span<const double> spread, double average) {
  BITSWEEP_CHECK(!spread.empty(), "no channel");
  std::vector<double> out;
  for (const double p : spread) {
    BITSWEEP_CHECK(p >= 0 && std::isfinite(p), "a spread of {}", p);
    out.push_back(std::cbrt(p * p));
  }
  const double sum = std::accumulate(out.begin(), out.end(), 0.0);
  const double levels = std::exp2(average);
  const double n = static_cast<double>(out.size());
  for (double& share : out) share = sum > 0 ? n * levels * share / sum : levels;
  return out;
}

int clamped(double width, int low, int high) {
  return static_cast<int>(std::clamp(width, static_cast<double>(low), static_cast<double>(high)));
}

}  // namespace

double mean_width(std::span<const int> bits) {
  return static_cast<double>(std::accumulate(bits.begin(), bits.end(), 0)) /
         static_cast<double>(bits.size());
}

std::vector<int> allocate_once(std::span<const double> spread, double average,
                               AllocationRounding rounding) {
  std::vector<int> out;
  for (const double levels : shares(spread, average)) {
    out.push_back(clamped(round_as(std::log2(levels), rounding), 0, kMostAllocatedBits));
  }
  return out;
}

QuotaAllocation allocate_to_quota(std::span<const double> spread, double average,
                                  AllocationRounding rounding) {
  QuotaAllocation out;
  double target = average;
  double lacks = 0;
  do {
    out.bits = allocate_once(spread, target, rounding);
    lacks = average - mean_width(out.bits);
    target += lacks / 2;
    ++out.passes;
  } while (std::abs(lacks) > kCloseEnough && out.passes < kMostPasses);
  return out;
}

std::vector<int> allocate_2019(std::span<const double> spread, double average) {
  std::vector<int> out;
  for (const double levels : shares(spread, average)) {
    const double width = std::ceil(std::log2(levels < 1 ? 2.0 : levels));
    out.push_back(clamped(width, 1, kWidestGrid));
  }
  return out;
}

std::vector<int> allocate_exactly(std::span<const double> spread, double average) {
  BITSWEEP_CHECK(average >= 0 && average <= kMostAllocatedBits, "{} bits on average", average);
  struct Step {
    double gain;  // of the channel's next bit
    std::size_t channel;
    bool operator<(const Step& other) const {
      return gain != other.gain ? gain < other.gain : channel > other.channel;
    }
  };
  std::priority_queue<Step> steps;
  for (std::size_t i = 0; i < spread.size(); ++i) {
    BITSWEEP_CHECK(spread[i] >= 0 && std::isfinite(spread[i]), "a spread of {}", spread[i]);
    if (spread[i] > 0) steps.push({spread[i] * spread[i], i});
  }
  std::vector<int> out(spread.size(), 0);
  if (steps.empty()) return allocate_once(spread, std::floor(average), AllocationRounding::nearest);
  // A mean such as 4.1 times 10 channels is 41 bits, whatever the last binary place says.
  auto bits =
      static_cast<std::int64_t>(std::floor(static_cast<double>(spread.size()) * average + 1e-9));
  for (; bits > 0 && !steps.empty(); --bits) {
    const Step best = steps.top();
    steps.pop();
    if (++out[best.channel] < kMostAllocatedBits) steps.push({best.gain / 4, best.channel});
  }
  return out;
}

std::vector<int> allocate_bits(std::string_view rule, std::span<const double> spread,
                               double average) {
  if (rule == "round") {
    return allocate_to_quota(spread, average, AllocationRounding::nearest).bits;
  }
  if (rule == "ceil") return allocate_to_quota(spread, average, AllocationRounding::up).bits;
  if (rule == "exact") return allocate_exactly(spread, average);
  if (rule == "ceil_2019") return allocate_2019(spread, average);
  throw ConfigError(
      fmt::format("bit allocation '{}': expected round, ceil, exact or ceil_2019", rule));
}

}  // namespace bitsweep::quant
