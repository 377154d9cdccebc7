// Scalars as a TensorBoard event file: TFRecords (length and data, each with a masked CRC32C) of
// protobuf messages tensorflow.Event. Written by hand, because of that message six fields are
// needed:
//   Event    1 wall_time (double), 2 step (int64), 3 file_version (string), 5 summary (Summary)
//   Summary  1 value (Value, repeated)          Value   1 tag (string), 2 simple_value (float)
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace bitsweep::exporting {

struct ScalarEvent {
  std::string tag;  // "train.loss"
  double value = 0;
  std::int64_t step = 0;
  double wall_time = 0;  // seconds since the epoch
};

// CRC-32C (Castagnoli, reflected polynomial 0x82f63b78) of `bytes`, and as TFRecord stores it:
// rotated right by 15 bits, plus 0xa282ead8.
std::uint32_t crc32c(std::string_view bytes);
std::uint32_t masked_crc32c(std::string_view bytes);

// The bytes of the whole file: the version record, then an event a scalar, in this order.
std::string event_file(double wall_time, std::span<const ScalarEvent> scalars);

}  // namespace bitsweep::exporting
