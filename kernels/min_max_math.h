// The extremes of a tensor: how two of them combine (docs/numerics.md, "NaN, infinities, minus
// zero").
#pragma once

#include <math.h>

#include <cstdint>

#include "kernels/formula.h"

namespace bitsweep::kernels {

struct MinMax {
  float min = HUGE_VALF;      // of the elements that are not NaN; +inf where there is none
  float max = -HUGE_VALF;     // likewise −inf
  std::uint32_t has_nan = 0;  // 1 if any element was NaN: callers refuse, a range would be a lie

  friend bool operator==(const MinMax&, const MinMax&) = default;
};

// Comparisons with NaN are false, so NaN never enters an extreme. Adding zero turns −0 into +0:
// which zero comes first would otherwise depend on how the work was split.
BITSWEEP_FORMULA float smaller(float a, float b) { return (b < a ? b : a) + 0.0f; }
BITSWEEP_FORMULA float larger(float a, float b) { return (b > a ? b : a) + 0.0f; }

BITSWEEP_FORMULA MinMax include(MinMax extremes, float x) {
  return {smaller(extremes.min, x), larger(extremes.max, x),
          extremes.has_nan | static_cast<std::uint32_t>(x != x)};
}

BITSWEEP_FORMULA MinMax merge(const MinMax& a, const MinMax& b) {
  return {smaller(a.min, b.min), larger(a.max, b.max), a.has_nan | b.has_nan};
}

}  // namespace bitsweep::kernels
