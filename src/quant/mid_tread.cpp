#include "quant/mid_tread.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/error.h"
#include "quant/clipping_noise.h"

namespace bitsweep::quant {
namespace {

constexpr int kMostBins = 1 << 22;

// The simulator's table.
constexpr double kTableBegin = 0.01;
constexpr double kTableEnd = 1000;
constexpr int kStepsPerDecade = 20;

kernels::RealRange clipped_range(const Statistics& s, const MidTreadRequest& request) {
  if (request.half_range) {
    const double alpha = mid_tread_clipping(2.0 * request.bins);
    return {0.0F, static_cast<float>(std::max(s.mean, 0.0) + alpha * s.b)};
  }
  const double alpha = mid_tread_clipping(request.bins) * s.b;
  return {static_cast<float>(s.mean - alpha), static_cast<float>(2 * alpha)};
}

kernels::RealRange whole_range(const Statistics& s, bool half_range) {
  const double lower = half_range ? 0.0 : s.min;
  return {static_cast<float>(lower), static_cast<float>(std::max(s.max, lower) - lower)};
}

// The upper end that the simulator clamps to: of one side, a mean further than the range.
double upper_end(const Statistics& s, const MidTreadRequest& request,
                 const kernels::RealRange& range) {
  const double end = static_cast<double>(range.lower) + range.length;
  return request.clipped && request.half_range ? end + std::max(s.mean, 0.0) : end;
}

}  // namespace

std::vector<int> mid_tread_bins(std::span<const double> spreads, double average_bits) {
  BITSWEEP_CHECK(!spreads.empty(), "no channels");
  double total = 0;
  for (const double spread : spreads) total += std::cbrt(spread * spread);
  const double wanted = static_cast<double>(spreads.size()) * std::exp2(average_bits);
  std::vector<int> out;
  for (const double spread : spreads) {
    const double share =
        total > 0 ? std::cbrt(spread * spread) / total : 1.0 / static_cast<double>(spreads.size());
    const double bins = std::rint(wanted * share);
    if (!(bins <= kMostBins)) {
      throw ConfigError(fmt::format(
          "quantizer \"mid_tread\" with {} bits on average gives one channel {} bins; at most {}",
          average_bits, bins, kMostBins));
    }
    out.push_back(static_cast<int>(bins));
  }
  return out;
}

double mid_tread_clipping(double bins) {
  if (bins < kTableBegin || bins >= kTableEnd) return optimal_clipping(Prior::laplace, bins);
  double decade = kTableBegin;
  while (bins >= 10 * decade) decade *= 10;
  const double step = 9 * decade / kStepsPerDecade;
  const double below = decade + step * std::floor((bins - decade) / step);
  const double at = optimal_clipping(Prior::laplace, below);
  const double next = optimal_clipping(Prior::laplace, below + step);
  return at + (next - at) * (bins - below) / step;
}

MidTread mid_tread(const Statistics& statistics, const MidTreadRequest& request) {
  const bool half = request.half_range;
  const kernels::RealRange range = request.bins > 0 && request.clipped
                                       ? clipped_range(statistics, request)
                                       : whole_range(statistics, half);
  const double bins = request.clipped && half ? 2.0 * request.bins : request.bins;
  const auto step = static_cast<float>(range.length / bins);
  if (request.bins == 0 || !(step > 0) || !std::isfinite(step)) {
    const auto mean = static_cast<float>(statistics.mean);
    return {kernels::constant_grid(half ? std::max(mean, 0.0F) : mean), range};
  }
  const double low = range.lower / step;
  const double high = upper_end(statistics, request, range) / step;
  kernels::AffineGrid grid{step, 0.0F, 0, 0};
  // Nothing lies beyond a whole range: the codes are those of its ends.
  grid.qmin = static_cast<std::int32_t>(request.clipped ? std::floor(low) : std::rint(low));
  grid.qmax = static_cast<std::int32_t>(request.clipped ? std::ceil(high) : std::rint(high));
  return {grid, range};
}

}  // namespace bitsweep::quant
