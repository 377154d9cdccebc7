// What is known of a tensor, or of one of its channels, when its quantizer is chosen (facts 004
// B.2.3). Of one batch, or the mean of several.
#pragma once

#include <memory>

#include "quant/histogram.h"

namespace bitsweep::quant {

struct Statistics {
  double min = 0;
  double max = 0;
  double mean = 0;
  double std = 0;  // unbiased
  double b = 0;    // mean |x − mean|
  // nullptr unless a clipping rule asked for it. Of all batches together.
  std::shared_ptr<const Histogram> histogram = nullptr;
};

}  // namespace bitsweep::quant
