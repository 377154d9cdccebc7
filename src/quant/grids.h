// From a site and the statistics of its tensor to the grids that it is quantized on: range or
// clipping rule, bit allocation, grid rule.
#pragma once

#include <span>
#include <vector>

#include "kernels/fake_quantize_math.h"
#include "kernels/range_math.h"
#include "quant/sites.h"
#include "quant/statistics.h"

namespace bitsweep::quant {

// One for the whole tensor, or one per channel.
struct Grids {
  std::vector<int> bits;
  std::vector<kernels::RealRange> ranges;  // that the grids were made from
  std::vector<kernels::AffineGrid> grids;
  kernels::Rounding rounding;
};

// Whether make_grids reads mean, std and b, or min and max alone.
bool needs_moments(const QuantizerSite& site);
// Whether it reads the histogram.
bool needs_histogram(const QuantizerSite& site);

// statistics: of the tensor, or one entry per channel (Granularity::channel), not empty. Of a
// weight, or of an output before its ReLU. Throws ConfigError for words that no registry knows.
Grids make_grids(const QuantizerSite& site, std::span<const Statistics> statistics);

}  // namespace bitsweep::quant
