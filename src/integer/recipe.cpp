// The pieces of integer/build.h that are arithmetic alone.
#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/error.h"
#include "integer/build.h"
#include "integer/grids.h"
#include "kernels/weight_quantizer.h"
#include "quant/site_quantizers.h"

namespace bitsweep::integer {
namespace {

void check_finite(std::span<const float> values, const std::string& what) {
  const auto bad = std::ranges::find_if(values, [](float v) { return !std::isfinite(v); });
  if (bad == values.end()) return;
  throw DataError(fmt::format("{}: element {} is {}; integer weights are made from finite ones",
                              what, bad - values.begin(), *bad));
}

// In `bits` of the range that the weights have.
Weights on_own_range(std::span<const float> weights, int bits) {
  double largest = 0;
  for (const float w : weights) largest = std::max(largest, std::fabs(static_cast<double>(w)));
  const double steps = largest_code(bits);
  Weights out{.codes = {}, .scale = largest > 0 ? steps / largest : steps, .bits = bits};
  for (const float w : weights) {
    out.codes.push_back(static_cast<std::int32_t>(std::rint(static_cast<double>(w) * out.scale)));
  }
  return out;
}

}  // namespace

Weights integer_weights(std::span<const float> weights, const quant::QuantizerSite* site,
                        const std::string& node, const Settings& settings) {
  check_finite(weights, node + ".weight");
  if (site == nullptr) return on_own_range(weights, settings.unquantized_weight_bits);

  const kernels::WeightQuantizer quantizer = quant::weight_quantizer(*site, node);
  const auto n = static_cast<std::int64_t>(weights.size());
  std::vector<float> quantized(weights.size());
  std::vector<double> tanh(weights.size());
  kernels::WeightQuantizerState state;
  kernels::quantize_weights_cpu(weights.data(), quantized.data(), tanh.data(), n, quantizer,
                                &state);
  Weights out;
  out.codes.resize(weights.size());
  kernels::weight_codes_cpu(tanh.data(), out.codes.data(), n, quantizer, state);

  // Whole numbers in proportion to the real weights, and how many of them are 1.
  const double steps = kernels::weight_steps(quantizer);
  switch (kernels::weight_rounding(quantizer)) {
    case kernels::WeightRounding::symmetric:
    case kernels::WeightRounding::ternary:
      out.scale = steps;
      out.bits = site->bits;
      break;
    case kernels::WeightRounding::binary: {
      const bool from_zero = quantizer.kind == kernels::WeightQuantizerKind::dorefa;
      if (from_zero) {
        for (std::int32_t& code : out.codes) code = 2 * code - 1;
      }
      out.scale = state.mean_abs > 0 ? 1 / state.mean_abs : 1;
      out.bits = 2;
      break;
    }
    case kernels::WeightRounding::unit:  // 2·code/n − 1
      for (std::int32_t& code : out.codes) code = 2 * code - static_cast<std::int32_t>(steps);
      out.scale = steps;
      out.bits = site->bits + 1;
      break;
  }
  return out;
}

namespace {

template <class Real>
ChannelAffine affine_in(std::span<const float> gamma, std::span<const float> beta,
                        std::span<const float> mean, std::span<const float> variance, Real eps) {
  ChannelAffine out;
  for (std::size_t c = 0; c < gamma.size(); ++c) {
    const Real scale = gamma[c], deviation = std::sqrt(static_cast<Real>(variance[c]) + eps);
    out.gain.push_back(static_cast<double>(scale / deviation));
    out.shift.push_back(static_cast<double>(beta[c] - scale * mean[c] / deviation));
  }
  return out;
}

double product(double a, double b, Variant variant) {
  return variant == Variant::document
             ? static_cast<double>(static_cast<float>(a) * static_cast<float>(b))
             : a * b;
}

}  // namespace

ChannelAffine channel_affine(std::span<const float> gamma, std::span<const float> beta,
                             std::span<const float> mean, std::span<const float> variance,
                             double eps, Variant which) {
  return which == Variant::document
             ? affine_in<float>(gamma, beta, mean, variance, static_cast<float>(eps))
             : affine_in<double>(gamma, beta, mean, variance, eps);
}

void set_affine(Requantization& out, const ChannelAffine& affine, double rescale, double scale_out,
                kernels::FixedPoint format, Variant variant) {
  const auto fixed = [&](double factor, double v) {
    return kernels::fixed_of(product(factor, v, variant), format, saturation(variant));
  };
  out.fraction_bits = format.fraction_bits();
  out.multiplier.clear();
  out.offset.clear();
  for (std::size_t c = 0; c < affine.gain.size(); ++c) {
    out.multiplier.push_back(fixed(rescale, affine.gain[c]));
    out.offset.push_back(fixed(scale_out, affine.shift[c]));
  }
}

}  // namespace bitsweep::integer
