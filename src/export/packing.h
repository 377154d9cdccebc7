// Integer codes of 0 to 16 bits as bytes: what "4 bits" takes on disk (docs/formats.md, "Packed
// codes").
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bitsweep::exporting {

// Bits that a code of `bits` bits (0–16) takes: as many up to 8, and 16 above.
constexpr int stored_bits(int bits) { return bits <= 8 ? bits : 16; }

// How the codes of a tensor lie: channel after channel, each of `per_channel` codes.
struct PackedLayout {
  std::vector<int> bits;  // of each channel
  std::int64_t per_channel = 0;

  std::int64_t codes() const { return static_cast<std::int64_t>(bits.size()) * per_channel; }
  std::int64_t total_bits() const;
  std::int64_t bytes() const { return (total_bits() + 7) / 8; }
};

// One stream of bits without gaps between channels: the lowest bit of the first code is the lowest
// bit of byte 0. Bits past the end are 0. codes: [layout.codes()], each 0 … 2^stored_bits − 1 of
// its channel; InternalError otherwise.
std::vector<std::byte> pack(std::span<const std::int32_t> codes, const PackedLayout& layout);

// The reverse. Throws DataError, "`what` …", where the number of bytes is another or a bit past the
// end is set.
std::vector<std::int32_t> unpack(std::span<const std::byte> packed, const PackedLayout& layout,
                                 const std::string& what);

}  // namespace bitsweep::exporting
