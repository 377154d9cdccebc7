#include "integer/grids.h"

#include "kernels/clamp_quantize_math.h"
#include "quant/site_quantizers.h"

namespace bitsweep::integer {

std::int32_t largest_code(int bits) {
  return static_cast<std::int32_t>((std::int64_t{1} << (bits - 1)) - 1);
}

Grid grid_of(const quant::QuantizerSite& site, const std::string& node, double alpha,
             Variant variant) {
  const kernels::ClampQuantizer quantizer = quant::clamp_quantizer(site, node);
  const kernels::ClampGrid grid = kernels::clamp_grid(quantizer, static_cast<float>(alpha));
  Grid out;
  out.read = static_cast<double>(grid.scale);
  out.make = out.read * static_cast<double>(grid.factor);
  if (quantizer.kind == kernels::ClampQuantizerKind::mpact) {
    out.high = largest_code(site.bits);
    out.low = variant == Variant::document ? -out.high - 1 : -out.high;
  } else {
    out.high = static_cast<std::int32_t>((std::int64_t{1} << site.bits) - 1);
  }
  return out;
}

Grid carrier(kernels::FixedPoint format) {
  const double scale = static_cast<double>(std::int64_t{1} << format.fraction_bits());
  const std::int32_t high = largest_code(format.bits);
  return {scale, scale, -high - 1, high};
}

}  // namespace bitsweep::integer
