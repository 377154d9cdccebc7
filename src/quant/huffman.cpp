#include "quant/huffman.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <queue>
#include <string>

#include "core/check.h"
#include "core/error.h"
#include "core/hash.h"

namespace bitsweep::quant {
namespace {

constexpr std::array<char, 4> kMagic{'H', 'U', 'F', '1'};
constexpr std::size_t kDigestBytes = 8;
// A code this long takes more values than can be counted (Fibonacci).
constexpr int kLongest = 60;

// The bits of each code: within a length they count upwards with the code, and the first code of a
// length follows the last shorter one.
struct CanonicalCode {
  std::int32_t code;
  int length;
  std::uint64_t bits;
};

std::vector<CanonicalCode> canonical(std::vector<CodeLength> lengths) {
  std::ranges::stable_sort(lengths, {}, &CodeLength::bits);
  std::vector<CanonicalCode> out;
  std::uint64_t next = 0;
  int length = lengths.empty() ? 0 : lengths.front().bits;
  for (const CodeLength& entry : lengths) {
    next <<= entry.bits - length;
    length = entry.bits;
    out.push_back({entry.code, length, next++});
  }
  return out;
}

std::array<std::byte, kDigestBytes> digest(std::span<const std::byte> bytes) {
  const std::string hex = sha256_hex(bytes);
  std::array<std::byte, kDigestBytes> out;
  for (std::size_t i = 0; i < out.size(); ++i) {
    unsigned value = 0;
    std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, value, 16);
    out[i] = static_cast<std::byte>(value);
  }
  return out;
}

std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

std::int64_t from_zigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}

class Writer {
 public:
  void byte(unsigned value) { bytes_.push_back(static_cast<std::byte>(value)); }

  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) byte(static_cast<unsigned>(value & 0x7F) | 0x80U);
    byte(static_cast<unsigned>(value));
  }

  void bits(std::uint64_t value, int count) {
    for (int i = count - 1; i >= 0; --i) {
      current_ = current_ << 1 | static_cast<unsigned>(value >> i & 1);
      if (++filled_ == 8) flush();
    }
  }

  void flush() {
    if (filled_ == 0) return;
    byte(current_ << (8 - filled_));
    current_ = 0;
    filled_ = 0;
  }

  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
  unsigned current_ = 0;
  int filled_ = 0;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  unsigned byte() {
    if (at_ == bytes_.size()) throw DataError("Huffman stream: it ends too early");
    return std::to_integer<unsigned>(bytes_[at_++]);
  }

  std::uint64_t varint() {
    std::uint64_t out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const unsigned next = byte();
      out |= static_cast<std::uint64_t>(next & 0x7F) << shift;
      if (next < 0x80) return out;
    }
    throw DataError("Huffman stream: a number in its table is too long");
  }

  unsigned bit() {
    if (left_ == 0) {
      current_ = byte();
      left_ = 8;
    }
    return current_ >> --left_ & 1U;
  }

  // Whether nothing but filling zeros is left.
  bool is_spent() const { return at_ == bytes_.size() && (current_ & ((1U << left_) - 1U)) == 0; }

  std::size_t bytes_left() const { return bytes_.size() - at_; }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  unsigned current_ = 0;
  unsigned left_ = 0;
};

std::vector<CodeLength> read_table(Reader& in) {
  const std::uint64_t codes = in.varint();
  // Each entry takes two bytes at least.
  if (codes > in.bytes_left() / 2) throw DataError("Huffman stream: its table is cut off");
  std::vector<CodeLength> out;
  std::int64_t code = 0;
  // In units of 2^-kLongest: the lengths of a complete code fill 1 exactly.
  std::uint64_t filled = 0;
  for (std::uint64_t i = 0; i < codes; ++i) {
    const std::int64_t distance = from_zigzag(in.varint());
    constexpr std::int64_t kWidest = std::int64_t{1} << 32;
    const bool ascends = i == 0 || distance > 0;
    const bool near = distance > -kWidest && distance < kWidest;
    if (near) code += distance;
    if (!ascends || !near || code < std::numeric_limits<std::int32_t>::min() ||
        code > std::numeric_limits<std::int32_t>::max()) {
      throw DataError(fmt::format("Huffman stream: entry {} of its table is no code", i));
    }
    const auto bits = static_cast<int>(in.byte());
    if (bits > kLongest || (bits == 0) != (codes == 1)) {
      throw DataError(fmt::format("Huffman stream: code {} has {} bits", code, bits));
    }
    filled += std::uint64_t{1} << (kLongest - bits);
    out.push_back({static_cast<std::int32_t>(code), bits});
    if (filled > std::uint64_t{1} << kLongest) break;
  }
  if (!out.empty() && filled != std::uint64_t{1} << kLongest) {
    throw DataError("Huffman stream: the lengths in its table are those of no complete code");
  }
  return out;
}

// The code that the next bits stand for. `codes` as canonical() gives them.
class Decoder {
 public:
  explicit Decoder(const std::vector<CodeLength>& table) : codes_(canonical(table)) {
    for (std::size_t i = 0; i < codes_.size(); ++i) {
      Length& length = lengths_[static_cast<std::size_t>(codes_[i].length)];
      if (length.count++ == 0) {
        length.first_bits = codes_[i].bits;
        length.first = i;
      }
    }
  }

  std::int32_t next(Reader& in) const {
    std::uint64_t bits = 0;
    for (std::size_t length = 0; length < lengths_.size(); ++length) {
      const Length& here = lengths_[length];
      if (here.count > 0 && bits >= here.first_bits && bits - here.first_bits < here.count) {
        return codes_[here.first + (bits - here.first_bits)].code;
      }
      bits = bits << 1 | in.bit();
    }
    throw DataError("Huffman stream: bits that are no code");
  }

 private:
  struct Length {
    std::uint64_t first_bits = 0;
    std::size_t first = 0;
    std::uint64_t count = 0;
  };
  std::vector<CanonicalCode> codes_;
  std::array<Length, kLongest + 1> lengths_{};
};

}  // namespace

std::vector<CodeLength> huffman_lengths(const CodeCounts& counts) {
  const std::vector<CodeCounts::Entry> entries = counts.entries();
  struct Node {
    std::uint64_t count;
    std::size_t order;  // leaves first, by code; then joined pairs as they are made
    bool operator>(const Node& other) const {
      return count != other.count ? count > other.count : order > other.order;
    }
  };
  std::priority_queue<Node, std::vector<Node>, std::greater<>> open;
  for (std::size_t i = 0; i < entries.size(); ++i) open.push({entries[i].count, i});
  std::vector<std::size_t> parent(entries.empty() ? 0 : 2 * entries.size() - 1, 0);
  std::size_t next = entries.size();
  while (open.size() > 1) {
    const Node first = open.top();
    open.pop();
    const Node second = open.top();
    open.pop();
    parent[first.order] = parent[second.order] = next;
    open.push({first.count + second.count, next++});
  }
  std::vector<int> depth(parent.size(), 0);
  for (std::size_t i = parent.size(); i-- > 1;) {
    if (i - 1 != parent.size() - 1) depth[i - 1] = depth[parent[i - 1]] + 1;
  }
  std::vector<CodeLength> out;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    BITSWEEP_CHECK(depth[i] <= kLongest, "a code of {} bits", depth[i]);
    out.push_back({entries[i].code, depth[i]});
  }
  return out;
}

double huffman_bits(const CodeCounts& counts) {
  if (counts.total() == 0) return 0;
  const std::vector<CodeCounts::Entry> entries = counts.entries();
  const std::vector<CodeLength> lengths = huffman_lengths(counts);
  double bits = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    bits += static_cast<double>(entries[i].count) * lengths[i].bits;
  }
  return bits / static_cast<double>(counts.total());
}

std::vector<std::byte> huffman_encode(std::span<const std::int32_t> values) {
  CodeCounts counts;
  counts.add(values);
  const std::vector<CodeLength> table = huffman_lengths(counts);
  Writer out;
  for (const char c : kMagic) out.byte(static_cast<unsigned char>(c));
  out.varint(table.size());
  std::int64_t before = 0;
  for (const CodeLength& entry : table) {
    out.varint(zigzag(entry.code - before));
    out.byte(static_cast<unsigned>(entry.bits));
    before = entry.code;
  }
  out.varint(values.size());
  std::map<std::int32_t, CanonicalCode> code_of;
  for (const CanonicalCode& code : canonical(table)) code_of.emplace(code.code, code);
  for (const std::int32_t value : values) {
    const CanonicalCode& code = code_of.at(value);
    out.bits(code.bits, code.length);
  }
  out.flush();
  std::ranges::copy(digest(out.bytes()), std::back_inserter(out.bytes()));
  return std::move(out.bytes());
}

std::vector<std::int32_t> huffman_decode(std::span<const std::byte> stream) {
  if (stream.size() < kMagic.size() + kDigestBytes ||
      !std::ranges::equal(stream.first(kMagic.size()), kMagic, [](std::byte b, char c) {
        return b == static_cast<std::byte>(static_cast<unsigned char>(c));
      })) {
    throw DataError(
        fmt::format("Huffman stream: its {} bytes do not begin with HUF1 and end with "
                    "a checksum",
                    stream.size()));
  }
  const auto content = stream.first(stream.size() - kDigestBytes);
  if (!std::ranges::equal(stream.last(kDigestBytes), digest(content))) {
    throw DataError("Huffman stream: its checksum does not fit; it is truncated or damaged");
  }
  Reader in(content.subspan(kMagic.size()));
  const std::vector<CodeLength> table = read_table(in);
  const std::uint64_t values = in.varint();
  const bool costs_bits = table.size() > 1;
  if (table.empty() != (values == 0) || (costs_bits && values > 8 * in.bytes_left())) {
    throw DataError(fmt::format("Huffman stream: {} values do not fit into what follows", values));
  }
  const Decoder decoder(table);
  std::vector<std::int32_t> out;
  out.reserve(costs_bits ? values : 0);
  for (std::uint64_t i = 0; i < values; ++i) out.push_back(decoder.next(in));
  if (!in.is_spent()) throw DataError("Huffman stream: something follows its last value");
  return out;
}

}  // namespace bitsweep::quant
