#include "integer/bounds.h"

#include <algorithm>

namespace bitsweep::integer {
namespace {

constexpr std::int64_t kLeast = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

std::int64_t add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (!__builtin_add_overflow(a, b, &sum)) return sum;
  return a < 0 ? kLeast : kMost;
}

std::int64_t multiply(std::int64_t a, std::int64_t b) {
  std::int64_t product = 0;
  if (!__builtin_mul_overflow(a, b, &product)) return product;
  return (a < 0) == (b < 0) ? kMost : kLeast;
}

}  // namespace

Bounds bounds_of(const Tensor& tensor) { return {tensor.low, tensor.high}; }

Bounds sum_of(Bounds a, Bounds b) { return {add(a.low, b.low), add(a.high, b.high)}; }

Bounds scaled(Bounds a, std::int64_t factor) {
  const std::int64_t first = multiply(a.low, factor), second = multiply(a.high, factor);
  return {std::min(first, second), std::max(first, second)};
}

Bounds shifted_by(Bounds a, std::int64_t offset) {
  return {add(a.low, offset), add(a.high, offset)};
}

bool is_safe(Bounds sum, int fraction_bits) {
  const std::int64_t margin = std::int64_t{1} << fraction_bits;
  return sum.low > kLeast + margin && sum.high < kMost - margin;
}

std::vector<Bounds> accumulator_bounds(const Weights& weights, std::int64_t out_channels,
                                       const Tensor& input, int input_shift) {
  const std::size_t products = weights.codes.size() / static_cast<std::size_t>(out_channels);
  // A padded position contributes 0, which a partial sum does too.
  const Bounds with_zero{std::min(input.low, 0), std::max(input.high, 0)};
  std::vector<Bounds> out(static_cast<std::size_t>(out_channels));
  for (std::size_t c = 0; c < out.size(); ++c) {
    for (std::size_t i = 0; i < products; ++i) {
      out[c] = sum_of(out[c], scaled(with_zero, weights.codes[c * products + i]));
    }
    out[c] = {kernels::shifted(out[c].low, input_shift, kernels::FixedRounding::truncate),
              kernels::shifted(out[c].high, input_shift, kernels::FixedRounding::truncate)};
  }
  return out;
}

Bounds sum_before_rounding(const Network& network, const Layer& layer, std::int64_t channel,
                           Bounds accumulator) {
  const Requantization& r = layer.requantization;
  Bounds added;
  if (layer.other != kNone) {
    added = scaled(bounds_of(network.tensor(layer.other)), r.other_multiplier);
  }
  added = scaled(shifted_by(added, r.offset_of(channel)), std::int64_t{1} << r.added_shift);
  return sum_of(scaled(accumulator, r.multiplier_of(channel)), added);
}

}  // namespace bitsweep::integer
