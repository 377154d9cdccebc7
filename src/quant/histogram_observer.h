// A range from a running histogram, as torch.ao.quantization's HistogramObserver: the quantiles
// between which a grid makes the least error on evenly filled bins, found from outside inwards.
// Unlike quant/histogram.h its bins follow the extremes, so that joining them moves values.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/min_max_math.h"

namespace bitsweep::quant {

class HistogramObserver {
 public:
  // dst_codes: codes of the grid that the range is for. upsample: into how many parts a bin is cut
  // where the bins move.
  HistogramObserver(std::size_t bins, int codes, int upsample = 16);

  // Throws DataError where a value is infinite or not a number. values: not empty.
  void observe(std::span<const float> values);

  kernels::MinMax extremes() const { return extremes_; }
  std::span<const double> histogram() const { return histogram_; }
  // After the first batch: the ends that make the least error.
  kernels::MinMax best_range() const;

 private:
  std::vector<double> counted(std::span<const float> values, kernels::MinMax over) const;
  std::vector<double> moved(kernels::MinMax from, kernels::MinMax to) const;
  double error(std::size_t begin, std::size_t end) const;

  int codes_;
  int upsample_;
  kernels::MinMax extremes_;
  std::vector<double> histogram_;
  bool is_empty_ = true;
};

}  // namespace bitsweep::quant
