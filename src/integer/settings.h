// How a network becomes whole numbers: what document 002's integer path leaves to choose (facts
// A.9). Keys quant.integer.*; defaults are the document's.
#pragma once

#include <string>
#include <string_view>

#include "config/trial.h"
#include "kernels/fixed_point_math.h"

namespace bitsweep::integer {

// Where the document's code is not what its text means.
enum class Variant {
  // Numbers saturate as a whole; codes clip to their quantizer's own ends; the image enters in
  // fixed
  // point; one rounding in the mean.
  corrected,
  // As document 002's code computes: ap_fixed saturates its integer part (FixedSaturation), a
  // signed
  // code may be −q − 1, sums over the image and the mean are truncated to whole numbers first, the
  // mean may be one too large.
  document,
};

inline kernels::FixedSaturation saturation(Variant variant) {
  return variant == Variant::document ? kernels::FixedSaturation::integer_part
                                      : kernels::FixedSaturation::value;
}

struct Settings {
  // Multipliers and offsets, as ap_fixed<B, I>: of layers outside the blocks (stem, header, pool),
  // of those in blocks, and of a batch norm before a convolution.
  kernels::FixedPoint ends{32, 16};
  kernels::FixedPoint middle{32, 10};
  kernels::FixedPoint norm{32, 10};
  kernels::FixedRounding rounding = kernels::FixedRounding::truncate;
  Variant variant = Variant::corrected;

  // What training left in full precision: an activation is carried as ap_fixed of this format, a
  // weight in so many bits of its own range: 12 keep sums over the 27 taps of a stem, of 16-bit
  // codes, within int32.
  kernels::FixedPoint unquantized_activation{16, 6};
  int unquantized_weight_bits = 12;
  // The image likewise (image_format): here of |x| < 4, in steps of 2^−13.
  kernels::FixedPoint input{16, 3};

  friend bool operator==(const Settings&, const Settings&) = default;
};

// What a configuration says (keys quant.integer.*).
Settings settings_of(const config::IntegerConfig& config);

// What the image is carried in: 16 bits that hold every |x| up to `largest`; for the document's
// variant 32, because its own code multiplies the real image: of sums cut to whole numbers, 16 bits
// change a few in a hundred, which a deep network of random weights then amplifies.
kernels::FixedPoint image_format(double largest, Variant variant);

// Throws ConfigError naming `where` and the format unless 2 ≤ bits ≤ 32 and 1 ≤ integer_bits ≤
// bits.
void check_format(kernels::FixedPoint format, const std::string& where);

std::string to_string(kernels::FixedPoint format);  // "<32, 16>"
std::string_view to_string(kernels::FixedRounding rounding);
std::string_view to_string(Variant variant);

}  // namespace bitsweep::integer
