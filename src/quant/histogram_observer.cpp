#include "quant/histogram_observer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/check.h"
#include "core/error.h"
#include "kernels/min_max.h"

namespace bitsweep::quant {
namespace {

// Share of the values that a step of the search gives up at one end.
constexpr double kQuantileStep = 1e-5;

double width_of(kernels::MinMax range) {
  return static_cast<double>(range.max) - static_cast<double>(range.min);
}

// ∫ x² over begin … end with the given density.
double norm(double begin, double end, double density) {
  return density * (end * end * end - begin * begin * begin) / 3;
}

// The bin of `offset` above the lower end of a range.
std::size_t bin_of(double offset, double width, std::size_t bins) {
  const double bin = width > 0 ? std::floor(offset / width * static_cast<double>(bins)) : 0;
  return static_cast<std::size_t>(std::clamp(bin, 0.0, static_cast<double>(bins - 1)));
}

}  // namespace

HistogramObserver::HistogramObserver(std::size_t bins, int codes, int upsample)
    : codes_(codes), upsample_(upsample), histogram_(bins, 0.0) {
  BITSWEEP_CHECK(bins > 0 && codes > 1 && upsample > 0, "{} bins, {} codes, upsampled {} times",
                 bins, codes, upsample);
}

void HistogramObserver::observe(std::span<const float> values) {
  const kernels::MinMax batch =
      kernels::min_max_cpu(values.data(), static_cast<std::int64_t>(values.size()));
  if (batch.has_nan != 0 || !std::isfinite(batch.min) || !std::isfinite(batch.max)) {
    throw DataError(fmt::format("a histogram cannot hold what is {}",
                                batch.has_nan != 0 ? "not a number" : "infinite"));
  }
  const kernels::MinMax joined = is_empty_ ? batch : kernels::merge(extremes_, batch);
  if (!is_empty_ && !(joined == extremes_)) histogram_ = moved(extremes_, joined);
  const std::vector<double> counts = counted(values, joined);
  for (std::size_t i = 0; i < counts.size(); ++i) histogram_[i] += counts[i];
  extremes_ = joined;
  is_empty_ = false;
}

std::vector<double> HistogramObserver::counted(std::span<const float> values,
                                               kernels::MinMax over) const {
  std::vector<double> out(histogram_.size(), 0.0);
  for (const float value : values) {
    ++out[bin_of(static_cast<double>(value) - over.min, width_of(over), out.size())];
  }
  return out;
}

// Every bin cut into parts, each of which goes to the bin that its middle lies in.
std::vector<double> HistogramObserver::moved(kernels::MinMax from, kernels::MinMax to) const {
  std::vector<double> out(histogram_.size(), 0.0);
  const std::size_t parts = histogram_.size() * static_cast<std::size_t>(upsample_);
  const double part = width_of(from) / static_cast<double>(parts);
  for (std::size_t i = 0; i < parts; ++i) {
    const double middle = from.min + (static_cast<double>(i) + 0.5) * part;
    out[bin_of(middle - to.min, width_of(to), out.size())] +=
        histogram_[i / static_cast<std::size_t>(upsample_)] / upsample_;
  }
  return out;
}

// Of a grid over the bins begin … end on values that fill their bins evenly.
double HistogramObserver::error(std::size_t begin, std::size_t end) const {
  const double bin = width_of(extremes_) / static_cast<double>(histogram_.size());
  const double step = bin * static_cast<double>(end - begin + 1) / codes_;
  if (step == 0) return 0;
  const auto code_of = [&](double x) {
    return std::clamp(std::floor(x / step), 0.0, codes_ - 1.0);
  };
  double sum = 0;
  for (std::size_t i = 0; i < histogram_.size(); ++i) {
    const double from = (static_cast<double>(i) - static_cast<double>(begin)) * bin;
    const double to = from + bin;
    const double first = code_of(from), last = code_of(to);
    const double density = histogram_[i] / bin;
    sum += norm(from - (first + 0.5) * step, step / 2, density) +
           (last - first - 1) * norm(-step / 2, step / 2, density) +
           norm(-step / 2, to - (last + 0.5) * step, density);
  }
  return sum;
}

kernels::MinMax HistogramObserver::best_range() const {
  BITSWEEP_CHECK(!is_empty_, "nothing was observed");
  const std::size_t bins = histogram_.size();
  std::vector<double> upto(bins);
  std::partial_sum(histogram_.begin(), histogram_.end(), upto.begin());
  const double total = upto.back();
  std::size_t begin = 0, end = bins - 1;
  double least = std::numeric_limits<double>::infinity();
  for (double low = 0, high = 1; low < high;) {
    std::size_t next_begin = begin, next_end = end;
    while (next_begin < end && upto[next_begin] < (low + kQuantileStep) * total) ++next_begin;
    while (next_end > begin && upto[next_end] > (high - kQuantileStep) * total) --next_end;
    // The end that gives up more bins for the same share of the values moves.
    if (next_begin - begin > end - next_end) {
      low += kQuantileStep;
      next_end = end;
    } else {
      high -= kQuantileStep;
      next_begin = begin;
    }
    if (next_begin == begin && next_end == end) continue;
    const double now = error(next_begin, next_end);
    if (now > least) break;
    least = now;
    begin = next_begin;
    end = next_end;
  }
  const double bin = width_of(extremes_) / static_cast<double>(bins);
  return {static_cast<float>(extremes_.min + bin * static_cast<double>(begin)),
          static_cast<float>(extremes_.min + bin * static_cast<double>(end + 1)), 0};
}

}  // namespace bitsweep::quant
