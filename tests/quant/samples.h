// Values drawn from known distributions, their histogram, and what a grid costs on them.
#pragma once

#include <cmath>
#include <random>
#include <span>
#include <vector>

#include "kernels/fake_quantize.h"
#include "kernels/histogram.h"
#include "kernels/min_max.h"
#include "kernels/range_math.h"
#include "quant/histogram.h"

namespace bitsweep::testing {

inline std::vector<float> normal(std::size_t n, float mean, float std, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> draw(mean, std);
  std::vector<float> out(n);
  for (float& value : out) value = draw(generator);
  return out;
}

inline std::vector<float> laplace(std::size_t n, float mean, float b, unsigned seed) {
  std::mt19937 generator(seed);
  std::exponential_distribution<float> draw(1 / b);
  std::vector<float> out(n);
  for (float& value : out)
    value = mean + (generator() % 2 == 0 ? draw(generator) : -draw(generator));
  return out;
}

// With its values where `keeps`.
inline quant::Histogram histogram_of(std::span<const float> x, bool keeps = false) {
  const auto n = static_cast<std::int64_t>(x.size());
  const kernels::MinMax extremes = kernels::min_max_cpu(x.data(), n);
  const kernels::HistogramBins bins = kernels::histogram_bins(extremes.min, extremes.max);
  std::vector<std::uint32_t> counts(kernels::kHistogramBins, 0);
  kernels::histogram_cpu(x.data(), kernels::whole_tensor(n), &bins, 1, counts.data());
  return {extremes.min, extremes.max, counts,
          keeps ? std::vector<float>(x.begin(), x.end()) : std::vector<float>()};
}

// Mean over the values themselves; with half_range values below 0 are right as 0.
inline double squared_error(std::span<const float> x, const kernels::AffineGrid& grid,
                            bool half_range) {
  std::vector<float> y(x.size());
  kernels::fake_quantize_cpu(x.data(), y.data(), nullptr, static_cast<std::int64_t>(x.size()),
                             grid);
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double wanted = half_range && x[i] < 0 ? 0.0 : static_cast<double>(x[i]);
    sum += (y[i] - wanted) * (y[i] - wanted);
  }
  return sum / static_cast<double>(x.size());
}

}  // namespace bitsweep::testing
