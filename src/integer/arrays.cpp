#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "integer/structure.h"

namespace bitsweep::integer {
namespace {

// Bits of the two's complement that holds them all.
int width_of(std::span<const std::int32_t> values) {
  int bits = 1;
  for (const std::int32_t v : values) {
    bits = std::max(
        bits, 1 + static_cast<int>(std::bit_width(static_cast<std::uint32_t>(v < 0 ? ~v : v))));
  }
  return bits;
}

struct ArraysOf {
  std::vector<IntegerArray>& out;

  void add(const std::string& step, const char* what, std::span<const std::int32_t> values,
           std::vector<std::int64_t> shape, int bits) const {
    out.push_back({.name = fmt::format("{}.{}", step, what),
                   .shape = std::move(shape),
                   .bits = bits,
                   .values = values});
  }
  void add(const std::string& step, const char* what,
           const std::vector<std::int32_t>& values) const {
    if (values.empty()) return;
    add(step, what, values, {static_cast<std::int64_t>(values.size())}, width_of(values));
  }

  void operator()(const Layer& s) const {
    const graph::Convolution& c = s.shape;
    std::vector<std::int64_t> shape = {c.out_channels, c.in_channels / c.groups};
    if (!s.linear) shape.insert(shape.end(), {c.kernel[0], c.kernel[1]});
    add(s.name, "weight", s.weights.codes, std::move(shape), s.weights.bits);
    add(s.name, "multiplier", s.requantization.multiplier);
    add(s.name, "offset", s.requantization.offset);
  }
  void operator()(const Combination& s) const {
    add(s.name, "multiplier", s.multipliers[0]);
    if (s.multipliers.size() > 1) add(s.name, "other_multiplier", s.multipliers[1]);
    add(s.name, "offset", s.offset);
  }
  void operator()(const Classifier& s) const {
    add(s.name, "weight", s.weights.codes, {s.out_features, s.in_features}, s.weights.bits);
    out.push_back(
        {.name = s.name + ".bias", .shape = {s.out_features}, .real = true, .reals = s.bias});
  }
  void operator()(const auto&) const {}
};

}  // namespace

std::vector<IntegerArray> arrays_of(const Network& network) {
  std::vector<IntegerArray> out;
  for (const Step& step : network.steps) std::visit(ArraysOf{out}, step);
  return out;
}

}  // namespace bitsweep::integer
