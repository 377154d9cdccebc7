// The threshold whose quantized distribution diverges least from the real one (Kullback–Leibler),
// as document 004's simulator searches it (facts 004 B.5; a search known from calibration tools for
// 8-bit inference). docs/numerics.md, "Clipping by divergence", has the steps.
#pragma once

#include <cstddef>
#include <span>

namespace bitsweep::quant {

// counts: a histogram symmetric around zero with an odd number of bins, the middle one around zero;
// levels: odd, 3 … counts.size(). Returns how many bins on either side of the middle one lie within
// the threshold, (levels − 1) / 2 … (counts.size() − 1) / 2, the smallest of equal divergence. The
// threshold is the outer edge of the last of them.
std::size_t kl_half_width(std::span<const double> counts, int levels);

}  // namespace bitsweep::quant
