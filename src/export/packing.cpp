#include "export/packing.h"

#include "core/check.h"
#include "core/error.h"

namespace bitsweep::exporting {
namespace {

constexpr int kMaxBits = 16;

void check(const PackedLayout& layout) {
  for (const int bits : layout.bits) {
    BITSWEEP_CHECK(bits >= 0 && bits <= kMaxBits, "codes of {} bits", bits);
  }
}

}  // namespace

std::int64_t PackedLayout::total_bits() const {
  std::int64_t out = 0;
  for (const int width : bits) out += stored_bits(width) * per_channel;
  return out;
}

std::vector<std::byte> pack(std::span<const std::int32_t> codes, const PackedLayout& layout) {
  check(layout);
  BITSWEEP_CHECK(static_cast<std::int64_t>(codes.size()) == layout.codes(), "{} codes, expected {}",
                 codes.size(), layout.codes());
  std::vector<std::byte> out;
  out.reserve(static_cast<std::size_t>(layout.bytes()));
  std::uint32_t pending = 0;  // bits that fill no byte yet, the oldest lowest
  int held = 0;               // how many: at most 7 + 16
  auto next = codes.begin();
  for (const int bits : layout.bits) {
    const int width = stored_bits(bits);
    for (std::int64_t i = 0; i < layout.per_channel; ++i, ++next) {
      const auto code = static_cast<std::uint32_t>(*next);
      BITSWEEP_CHECK(code >> width == 0, "code {} has more than {} bits", *next, width);
      pending |= code << held;
      for (held += width; held >= 8; held -= 8, pending >>= 8) {
        out.push_back(static_cast<std::byte>(pending & 0xff));
      }
    }
  }
  if (held > 0) out.push_back(static_cast<std::byte>(pending));
  return out;
}

std::vector<std::int32_t> unpack(std::span<const std::byte> packed, const PackedLayout& layout,
                                 const std::string& what) {
  check(layout);
  if (static_cast<std::int64_t>(packed.size()) != layout.bytes()) {
    throw DataError(fmt::format("{} has {} bytes, expected {} for {} codes", what, packed.size(),
                                layout.bytes(), layout.codes()));
  }
  std::vector<std::int32_t> out;
  out.reserve(static_cast<std::size_t>(layout.codes()));
  std::uint32_t pending = 0;
  int held = 0;
  auto next = packed.begin();
  for (const int bits : layout.bits) {
    const int width = stored_bits(bits);
    for (std::int64_t i = 0; i < layout.per_channel; ++i) {
      for (; held < width; held += 8) {
        pending |= static_cast<std::uint32_t>(*next++) << held;
      }
      out.push_back(static_cast<std::int32_t>(pending & ((std::uint32_t{1} << width) - 1)));
      pending >>= width;
      held -= width;
    }
  }
  if (pending != 0) throw DataError(fmt::format("{} has bits set past its last code", what));
  return out;
}

}  // namespace bitsweep::exporting
