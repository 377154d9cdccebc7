#include "integer/settings.h"

#include <fmt/format.h>

#include <cmath>

#include "core/error.h"

namespace bitsweep::integer {

Settings settings_of(const config::IntegerConfig& config) {
  Settings out;
  out.middle = out.norm = {config.bits, config.integer_bits};
  out.ends = {config.ends_bits, config.ends_integer_bits};
  if (config.rounding == to_string(kernels::FixedRounding::nearest)) {
    out.rounding = kernels::FixedRounding::nearest;
  }
  if (config.variant == to_string(Variant::document)) out.variant = Variant::document;
  return out;
}

kernels::FixedPoint image_format(double largest, Variant variant) {
  kernels::FixedPoint out{variant == Variant::document ? 32 : 16, 1};
  while (out.integer_bits < out.bits && std::ldexp(1.0, out.integer_bits - 1) <= largest) {
    ++out.integer_bits;
  }
  return out;
}

void check_format(kernels::FixedPoint format, const std::string& where) {
  const bool fits = format.bits >= 2 && format.bits <= 32 && format.integer_bits >= 1 &&
                    format.integer_bits <= format.bits;
  if (fits) return;
  throw ConfigError(fmt::format(
      "{} = {}: expected 2 to 32 bits, of which 1 to all are integer bits (the sign is one)", where,
      to_string(format)));
}

std::string to_string(kernels::FixedPoint format) {
  return fmt::format("<{}, {}>", format.bits, format.integer_bits);
}

std::string_view to_string(kernels::FixedRounding rounding) {
  switch (rounding) {
    case kernels::FixedRounding::truncate:
      return "truncate";
    case kernels::FixedRounding::nearest:
      return "nearest";
  }
  __builtin_unreachable();
}

std::string_view to_string(Variant variant) {
  switch (variant) {
    case Variant::corrected:
      return "corrected";
    case Variant::document:
      return "document";
  }
  __builtin_unreachable();
}

}  // namespace bitsweep::integer
