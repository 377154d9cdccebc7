// Memory images for $readmemh: what a hardware simulation or a synthesis tool initialises memories
// from. One word a line, in two's complement of its width.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace bitsweep::integer {

// `comment`: of one line, above the words. Throws InternalError for a word that `bits` (1–32) do
// not hold, neither as a signed nor as an unsigned number.
std::string memory_image(std::span<const std::int32_t> words, int bits, const std::string& comment);

}  // namespace bitsweep::integer
