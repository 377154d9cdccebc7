// The codes of activations: where a quantizer stands its grid, else a carrier's.
#pragma once

#include <cstdint>
#include <string>

#include "integer/settings.h"
#include "quant/sites.h"

namespace bitsweep::integer {

struct Grid {
  double make = 1;  // codes per unit of what is quantized
  double read = 1;  // codes per unit of what the next layer reads: another where a clamp scales
  std::int32_t low = 0;
  std::int32_t high = 0;
};

// Of an output's site; `alpha` is read where the quantizer learns one. Throws ConfigError as
// quant::clamp_quantizer.
Grid grid_of(const quant::QuantizerSite& site, const std::string& node, double alpha,
             Variant variant);

// A real number in fixed point.
Grid carrier(kernels::FixedPoint format);

// The largest signed code of so many bits.
std::int32_t largest_code(int bits);

}  // namespace bitsweep::integer
