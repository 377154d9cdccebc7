// How the values of a tensor, or of one of its channels, are spread: collected batch by batch, read
// by the clipping rules that look further than moments (docs/numerics.md, "Histograms").
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "kernels/fake_quantize_math.h"
#include "kernels/histogram_math.h"

namespace bitsweep::quant {

// Within a bin the values count as evenly spread, unless the values themselves are kept.
class Histogram {
 public:
  // counts: [kernels::kHistogramBins], as kernels::histogram_cpu counts in histogram_bins(min,
  // max). Of all values or of an even sample; min and max are of all. values: those that were
  // counted, in any order, or none.
  Histogram(float min, float max, std::span<const std::uint32_t> counts,
            std::vector<float> values = {});

  // Adds the values of another batch. Bins are joined where the range has grown: they are aligned
  // powers of two, so that nothing is lost and the order of batches does not show. Values are kept
  // where both have theirs.
  void merge(const Histogram& other);
  void forget_values() { values_ = {}; }

  double min() const { return min_; }
  double max() const { return max_; }
  std::uint64_t count() const { return count_; }  // above 0
  std::span<const std::uint64_t> counts() const { return counts_; }
  double width() const;  // of a bin
  double edge() const;   // the lower one of bin 0
  // All that were counted, or none: then only the counts are known.
  std::span<const float> values() const { return values_; }

  double mean() const;
  // The value with the share `fraction`, 0 … 1, below it: min() at 0, max() at 1.
  double quantile(double fraction) const;
  // The same values in `bins` equal bins over [lower, upper]; those outside are left out.
  std::vector<double> resampled(std::size_t bins, double lower, double upper) const;

 private:
  float min_, max_;
  kernels::HistogramBins bins_;
  std::uint64_t count_ = 0;
  std::vector<std::uint64_t> counts_;
  std::vector<float> values_;
};

// Sums over the values of a histogram below a point, for errors of many grids on the same values:
// O(1) a cell instead of O(bins), and one bin's values a cell where the values are kept.
class HistogramSums {
 public:
  explicit HistogramSums(const Histogram& histogram);

  // Mean squared error, over all values, of putting those above `from` on `grid` (scale > 0);
  // those below cost nothing. Of kept values it is the error itself. Some number above `enough`
  // where it is more than that.
  double squared_error(const kernels::AffineGrid& grid, double from,
                       double enough = std::numeric_limits<double>::infinity()) const;

 private:
  // Σ 1, Σ u, Σ u² with u in bins from edge().
  struct Sums {
    double zeroth = 0, first = 0, second = 0;
  };
  Sums below(double u) const;
  Sums below_in_bin(std::size_t bin, double u) const;
  void group(std::span<const float> values);

  double edge_, width_, count_;
  std::vector<Sums> upto_;       // [i]: the bins before bin i
  std::vector<double> grouped_;  // the kept values by bin, in bins from edge(); or empty
};

}  // namespace bitsweep::quant
