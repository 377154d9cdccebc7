#include "quant/histogram.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "core/check.h"

namespace bitsweep::quant {
namespace {

constexpr auto kBins = static_cast<std::size_t>(kernels::kHistogramBins);

}  // namespace

Histogram::Histogram(float min, float max, std::span<const std::uint32_t> counts,
                     std::vector<float> values)
    : min_(min),
      max_(max),
      bins_(kernels::histogram_bins(min, max)),
      counts_(counts.begin(), counts.end()),
      values_(std::move(values)) {
  BITSWEEP_CHECK(counts.size() == kBins && min <= max, "{} bins over {} … {}", counts.size(), min,
                 max);
  count_ = std::accumulate(counts_.begin(), counts_.end(), std::uint64_t{0});
  BITSWEEP_CHECK(count_ > 0, "an empty histogram");
  BITSWEEP_CHECK(values_.empty() || values_.size() == count_, "{} values of {} counted",
                 values_.size(), count_);
}

void Histogram::merge(const Histogram& other) {
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
  const kernels::HistogramBins joined = kernels::histogram_bins(min_, max_);
  std::vector<std::uint64_t> counts(kBins, 0);
  const auto add = [&](const Histogram& part) {
    const int shift = std::ilogb(part.bins_.inverse_width) - std::ilogb(joined.inverse_width);
    const auto from = static_cast<std::int64_t>(part.bins_.first);
    const auto first = static_cast<std::int64_t>(joined.first);
    for (std::size_t i = 0; i < kBins; ++i) {
      if (part.counts_[i] == 0) continue;
      const std::int64_t bin = ((from + static_cast<std::int64_t>(i)) >> shift) - first;
      counts.at(static_cast<std::size_t>(bin)) += part.counts_[i];
    }
  };
  add(*this);
  add(other);
  bins_ = joined;
  counts_ = std::move(counts);
  count_ += other.count_;
  if (values_.empty() || other.values_.empty()) return forget_values();
  values_.insert(values_.end(), other.values_.begin(), other.values_.end());
}

double Histogram::width() const { return 1.0 / static_cast<double>(bins_.inverse_width); }

double Histogram::edge() const { return static_cast<double>(bins_.first) * width(); }

double Histogram::mean() const {
  double sum = 0;
  for (std::size_t i = 0; i < kBins; ++i) {
    sum += static_cast<double>(counts_[i]) * (static_cast<double>(i) + 0.5);
  }
  return std::clamp(edge() + width() * sum / static_cast<double>(count_), min(), max());
}

double Histogram::quantile(double fraction) const {
  BITSWEEP_CHECK(fraction >= 0 && fraction <= 1, "fraction {}", fraction);
  if (fraction == 0) return min();
  if (fraction == 1) return max();
  const double wanted = fraction * static_cast<double>(count_);
  double below = 0;
  for (std::size_t i = 0; i < kBins; ++i) {
    const auto here = static_cast<double>(counts_[i]);
    if (here > 0 && below + here >= wanted) {
      const double inside = static_cast<double>(i) + (wanted - below) / here;
      return std::clamp(edge() + width() * inside, min(), max());
    }
    below += here;
  }
  return max();
}

std::vector<double> Histogram::resampled(std::size_t bins, double lower, double upper) const {
  BITSWEEP_CHECK(bins > 0 && lower < upper, "{} bins over {} … {}", bins, lower, upper);
  std::vector<double> out(bins, 0.0);
  const double scale = static_cast<double>(bins) / (upper - lower);  // new bins a unit
  const double last = static_cast<double>(bins);
  for (std::size_t i = 0; i < kBins; ++i) {
    if (counts_[i] == 0) continue;
    const double begin = (edge() + width() * static_cast<double>(i) - lower) * scale;
    const double length = width() * scale;
    const double end = std::min(begin + length, last);
    for (double from = std::max(begin, 0.0); from < end;) {
      const double to = std::min(std::floor(from) + 1, end);
      out[static_cast<std::size_t>(from)] += static_cast<double>(counts_[i]) * (to - from) / length;
      from = to;
    }
  }
  return out;
}

HistogramSums::HistogramSums(const Histogram& histogram)
    : edge_(histogram.edge()),
      width_(histogram.width()),
      count_(static_cast<double>(histogram.count())),
      upto_(kBins + 1) {
  if (!histogram.values().empty()) {
    group(histogram.values());
    return;
  }
  for (std::size_t i = 0; i < kBins; ++i) {
    const auto n = static_cast<double>(histogram.counts()[i]);
    const double middle = static_cast<double>(i) + 0.5;
    const Sums& before = upto_[i];
    upto_[i + 1] = {before.zeroth + n, before.first + n * middle,
                    before.second + n * (middle * middle + 1.0 / 12)};
  }
}

// A counting sort. In bins from the edge every float32 value is exact in float64: widths are powers
// of two.
void HistogramSums::group(std::span<const float> values) {
  const auto in_bins = [&](float x) { return (static_cast<double>(x) - edge_) / width_; };
  const auto bin_of = [&](double u) {
    return std::min(static_cast<std::size_t>(std::max(u, 0.0)), kBins - 1);
  };
  std::vector<std::size_t> next(kBins + 1, 0);
  for (const float x : values) ++next[bin_of(in_bins(x)) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  const std::vector<std::size_t> begin = next;
  grouped_.resize(values.size());
  for (const float x : values) {
    const double u = in_bins(x);
    grouped_[next[bin_of(u)]++] = u;
  }
  for (std::size_t i = 0; i < kBins; ++i) {
    Sums sums = upto_[i];
    for (std::size_t k = begin[i]; k < begin[i + 1]; ++k) {
      sums.first += grouped_[k];
      sums.second += grouped_[k] * grouped_[k];
    }
    sums.zeroth = static_cast<double>(begin[i + 1]);
    upto_[i + 1] = sums;
  }
}

HistogramSums::Sums HistogramSums::below_in_bin(std::size_t bin, double u) const {
  Sums out = upto_[bin];
  const double n = upto_[bin + 1].zeroth - out.zeroth;
  if (!grouped_.empty()) {
    const auto begin = static_cast<std::size_t>(out.zeroth);
    for (const double value : std::span(grouped_).subspan(begin, static_cast<std::size_t>(n))) {
      if (value >= u) continue;
      out.zeroth += 1;
      out.first += value;
      out.second += value * value;
    }
    return out;
  }
  const double t = u - static_cast<double>(bin);
  const double middle = static_cast<double>(bin) + t / 2;
  return {out.zeroth + n * t, out.first + n * t * middle,
          out.second + n * t * (middle * middle + t * t / 12)};
}

HistogramSums::Sums HistogramSums::below(double u) const {
  const double inside = std::clamp(u, 0.0, static_cast<double>(kBins));
  const auto bin = static_cast<std::size_t>(inside);
  return static_cast<double>(bin) == inside ? upto_[bin] : below_in_bin(bin, inside);
}

double HistogramSums::squared_error(const kernels::AffineGrid& grid, double from,
                                    double enough) const {
  BITSWEEP_CHECK(grid.scale > 0, "scale {}", grid.scale);
  const auto in_bins = [&](double x) { return (x - edge_) / width_; };
  const auto value = [&](std::int32_t code) {
    return in_bins(kernels::dequantize(static_cast<float>(code), grid));
  };
  const double to_mean = width_ * width_ / count_;
  Sums done = below(in_bins(from));
  double sum = 0;
  double y = value(grid.qmin);
  for (std::int32_t code = grid.qmin; code <= grid.qmax; ++code) {
    const double next = code < grid.qmax ? value(code + 1) : 0;
    const Sums upto = code < grid.qmax ? below((y + next) / 2) : upto_.back();
    if (upto.zeroth > done.zeroth) {
      sum += upto.second - done.second - 2 * y * (upto.first - done.first) +
             y * y * (upto.zeroth - done.zeroth);
      done = upto;
      if (sum * to_mean > enough) break;
    }
    y = next;
  }
  return sum * to_mean;
}

}  // namespace bitsweep::quant
