#include "integer/memory_image.h"

#include "core/check.h"

namespace bitsweep::integer {

std::string memory_image(std::span<const std::int32_t> words, int bits,
                         const std::string& comment) {
  const std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  const std::int64_t least = -(std::int64_t{1} << (bits - 1));
  std::string out = fmt::format("// {}: {} words of {} bits\n", comment, words.size(), bits);
  for (const std::int32_t word : words) {
    BITSWEEP_CHECK(word >= least && word <= static_cast<std::int64_t>(mask), "{} in {} bits", word,
                   bits);
    out += fmt::format("{:0{}x}\n", static_cast<std::uint64_t>(word) & mask, (bits + 3) / 4);
  }
  return out;
}

}  // namespace bitsweep::integer
