// Canonical Huffman codes (Huffman 1952) for integer codes of quantized tensors, to bytes and back:
// the real length that document 004 estimates by entropy. docs/numerics.md, "Code lengths", has a
// stream byte by byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "quant/code_counts.h"

namespace bitsweep::quant {

struct CodeLength {
  std::int32_t code;
  int bits;

  friend bool operator==(const CodeLength&, const CodeLength&) = default;
};

// One entry per code that occurs, ascending codes; a single code has 0 bits. Of equal counts the
// smaller code is joined first, so that the lengths depend on nothing but the counts.
std::vector<CodeLength> huffman_lengths(const CodeCounts& counts);

// Mean length, bits a code, without the table: entropy() <= this < entropy() + 1.
double huffman_bits(const CodeCounts& counts);

// A stream that carries its table:
//   "HUF1" · codes that occur (varint) · of each, ascending, its distance to the one before (zigzag
//   varint) and its length (1 byte) · values (varint) · their bits, most significant first, the
//   last byte filled with 0 · the first 8 bytes of the SHA-256 of all before.
std::vector<std::byte> huffman_encode(std::span<const std::int32_t> values);

// Throws DataError saying what is wrong where the stream is truncated, damaged, or followed by
// something.
std::vector<std::int32_t> huffman_decode(std::span<const std::byte> stream);

}  // namespace bitsweep::quant
