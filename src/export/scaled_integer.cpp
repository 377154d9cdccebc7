#include "export/scaled_integer.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace bitsweep::exporting {
namespace {

constexpr int kMantissaBits = 31;  // without its sign

}  // namespace

double ScaledInteger::value() const { return std::ldexp(static_cast<double>(mantissa), exponent); }

ScaledInteger scaled_integer(double value) {
  BITSWEEP_CHECK(std::isfinite(value) && std::abs(value) < 0x1p100, "{} as an integer", value);
  if (std::abs(value) < 0x1p-100) return {};
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);  // in ±[0.5, 1)
  double mantissa = std::rint(std::ldexp(fraction, kMantissaBits));
  if (std::abs(mantissa) == std::ldexp(1.0, kMantissaBits)) {  // rounded up to the next power
    mantissa /= 2;
    ++exponent;
  }
  return {static_cast<std::int32_t>(mantissa), exponent - kMantissaBits};
}

std::vector<IntegerCorrection> integer_corrections(const WeightCodes& weight,
                                                   std::int64_t channels) {
  const bool anchored = std::ranges::any_of(
      weight.grids, [](const kernels::AffineGrid& grid) { return grid.origin != 0.0F; });
  const bool corrected = !weight.corrections.empty() || !weight.rescales.empty();
  if (weight.grids.empty() || (!corrected && !anchored)) return {};
  std::vector<IntegerCorrection> out;
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto i = static_cast<std::size_t>(c);
    const kernels::AffineGrid& grid = weight.grids[weight.grids.size() == 1 ? 0 : i];
    const quant::ChannelCorrection correction = correction_of(weight, i);
    const double step = correction.scale * grid.scale;
    const double offset = correction.shift + correction.scale * grid.origin;
    out.push_back({static_cast<float>(step), scaled_integer(offset / step)});
  }
  return out;
}

std::vector<ScaledInteger> integer_shifts(const OutputGrid& output) {
  std::vector<ScaledInteger> out;
  for (std::size_t c = 0; c < output.positive_shifts.size(); ++c) {
    const kernels::AffineGrid& grid = output.grids[output.grids.size() == 1 ? 0 : c];
    const bool empty = grid.scale == 0.0F;  // nothing of the channel was positive
    out.push_back(empty ? ScaledInteger{} : scaled_integer(output.positive_shifts[c] / grid.scale));
  }
  return out;
}

}  // namespace bitsweep::exporting
