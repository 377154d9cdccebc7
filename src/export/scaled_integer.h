// Real factors as integers: what hardware multiplies by.
#pragma once

#include <cstdint>
#include <vector>

#include "export/quantized_network.h"

namespace bitsweep::exporting {

// mantissa · 2^exponent, |mantissa| in [2^30, 2^31) or 0: within 2^-31 of the value.
struct ScaledInteger {
  std::int32_t mantissa = 0;
  std::int32_t exponent = 0;

  double value() const;
};

// Throws InternalError for a value that is infinite, not a number, or beyond 2^±100.
ScaledInteger scaled_integer(double value);

// A corrected weight in integers (facts 004 B.4, B.9): with steps t = ξ·s of the corrected grid and
// the offset r = (δ + ξ·origin) / t,
//   Σ w·x = t · ( Σ (q − z)·x + r · Σ x ),
// so that an integer executor adds r times the sum of the input window to its accumulator, and the
// factor ξ is part of the rescale.
struct IntegerCorrection {
  float step = 0;        // t
  ScaledInteger offset;  // r
};

// One per output channel; empty where nothing is corrected and every grid starts at 0, and where
// codes stand for a table of values (k-means), which integers alone cannot multiply.
std::vector<IntegerCorrection> integer_corrections(const WeightCodes& weight,
                                                   std::int64_t channels);

// What is added to the positive values of each channel of an output, in steps of its grid: an
// integer executor adds it to codes above the zero point. Empty where the output has none.
std::vector<ScaledInteger> integer_shifts(const OutputGrid& output);

}  // namespace bitsweep::exporting
