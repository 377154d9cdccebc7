// Clipping rules (`quant.activation.clipping`): how the range of a tensor is chosen from its
// statistics. A file src/quant/clipping/<word>.cpp that defines register_<word>() and the word in
// src/quant/meson.build.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "config/trial.h"
#include "core/registry.h"
#include "kernels/fake_quantize_math.h"
#include "kernels/range_math.h"
#include "quant/clipping_noise.h"
#include "quant/statistics.h"

namespace bitsweep::quant {

struct ClippingRequest {
  int bits = 8;             // of the channel itself where bits are allocated
  bool half_range = false;  // a ReLU is performed: the range begins at 0
  config::ClippingConstants constants = config::ClippingConstants::exact;
  double parameter = 0;       // the P of "std:P"
  double percentile = 99.99;  // of `percentile`
  // The grid that a range becomes, for rules that search.
  std::function<kernels::AffineGrid(kernels::RealRange)> grid = nullptr;
};

struct Clipping {
  std::string name;
  std::string summary;
  bool needs_moments = true;     // mean, std and b; else the extremes are enough
  bool needs_histogram = false;  // Statistics::histogram
  kernels::RealRange (*range)(const Statistics& statistics,
                              const ClippingRequest& request) = nullptr;
};

const Registry<Clipping>& clippings();

// The rule of a value of the key: "laplace", or "std:2.5" for rule `std` with parameter 2.5. Throws
// ConfigError with the known words for another.
struct ChosenClipping {
  const Clipping* rule = nullptr;
  double parameter = 0;
};
ChosenClipping clipping_named(std::string_view value);

// ---- For the rules. ----

// The histogram that a rule with needs_histogram reads; calibration has collected it.
const Histogram& histogram_of(const Statistics& statistics);

// α in units of the prior's scale: the analytic optimum or, where asked for and there is one, the
// published constant.
double clipping_constant(Prior prior, const ClippingRequest& request);

// Mean squared error of clipping at α (in units of the scale) as the request has it.
double expected_clipping_mse(Prior prior, double alpha, const ClippingRequest& request);

// Two-sided: 2α long, from max(min, mean − α) on: the length stays where the lower end moves up.
// Half range: from 0 to max(mean, 0) + α. The statistics are those before the ReLU (facts B.2.3).
kernels::RealRange range_around_mean(const Statistics& statistics, double alpha, bool half_range);

}  // namespace bitsweep::quant
