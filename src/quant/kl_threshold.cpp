#include "quant/kl_threshold.h"

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "core/check.h"

namespace bitsweep::quant {
namespace {

// What an empty bin gets, taken evenly from the others, so that no logarithm is of 0.
constexpr double kSmoothing = 1e-4;

double sum_of(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

// What every bin that is not empty gives to those that are; nothing where all are empty or one
// would have to give everything.
std::optional<double> given(std::span<const double> values) {
  std::size_t zeros = 0;
  for (const double value : values) zeros += value == 0 ? 1U : 0U;
  if (zeros == values.size()) return std::nullopt;
  const double share =
      kSmoothing * static_cast<double>(zeros) / static_cast<double>(values.size() - zeros);
  if (share >= 1) return std::nullopt;
  return share;
}

double smoothed(double value, double share) { return value == 0 ? kSmoothing : value - share; }

// Σ p·log(p/q) of two histograms as distributions; infinite where one cannot be.
double divergence(std::span<const double> p, std::span<const double> q) {
  constexpr double kInfinite = std::numeric_limits<double>::infinity();
  const auto p_share = given(p);
  const auto q_share = given(q);
  if (!p_share || !q_share) return kInfinite;
  const double log_of_sums = std::log(sum_of(p) / sum_of(q));
  double out = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double mass = smoothed(p[i], *p_share);
    const double quantized = smoothed(q[i], *q_share);
    if (quantized <= 0) return kInfinite;
    if (mass > 0) out += mass * (std::log(mass / quantized) - log_of_sums);
  }
  return out / sum_of(p);
}

// `inside` in `levels` groups of equally many bins (the last takes what is left over): the sum of a
// group is spread evenly over those of its bins that hold something. As in the peer the very last
// bin takes no part: it gets nothing of its group, and the search clips less for it.
std::vector<double> quantized(std::span<const double> inside, std::size_t levels) {
  std::vector<double> out(inside.size(), 0.0);
  const std::size_t group = inside.size() / levels;
  for (std::size_t level = 0; level < levels; ++level) {
    const bool last = level + 1 == levels;
    const std::size_t begin = level * group;
    const std::size_t end = last ? inside.size() : begin + group;
    const std::size_t spread_end = last ? end - 1 : end;
    std::size_t used = 0;
    for (std::size_t i = begin; i < spread_end; ++i) used += inside[i] != 0 ? 1U : 0U;
    if (used == 0) continue;
    const double even = sum_of(inside.subspan(begin, end - begin)) / static_cast<double>(used);
    for (std::size_t i = begin; i < spread_end; ++i) out[i] = inside[i] != 0 ? even : 0;
  }
  return out;
}

}  // namespace

std::size_t kl_half_width(std::span<const double> counts, int levels) {
  const auto groups = static_cast<std::size_t>(levels);
  BITSWEEP_CHECK(
      levels >= 3 && levels % 2 == 1 && counts.size() % 2 == 1 && groups <= counts.size(),
      "{} levels of {} bins", levels, counts.size());
  const std::size_t middle = counts.size() / 2;
  std::size_t best = middle;
  double least = std::numeric_limits<double>::infinity();
  for (std::size_t half = groups / 2; half <= middle; ++half) {
    const auto inside = counts.subspan(middle - half, 2 * half + 1);
    std::vector<double> clipped(inside.begin(), inside.end());
    clipped.front() += sum_of(counts.first(middle - half));
    clipped.back() += sum_of(counts.last(middle - half));
    const double now = divergence(clipped, quantized(inside, groups));
    if (now < least) {
      least = now;
      best = half;
    }
  }
  return best;
}

}  // namespace bitsweep::quant
