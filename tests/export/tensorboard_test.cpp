// Event files read back by a decoder of their own: TFRecord framing with its checksums, and any
// protobuf message field by field.
#include "export/tensorboard.h"

#include <bit>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <map>
#include <stdexcept>
#include <vector>

using namespace bitsweep::exporting;

namespace {

// CRC-32C bit by bit, as RFC 3720 appendix B.4 defines it.
std::uint32_t slow_crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xffffffffu;
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82f63b78u : crc >> 1;
  }
  return ~crc;
}

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t out = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    out = out << 8 | static_cast<unsigned char>(bytes[i]);
  }
  return out;
}

class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : bytes_(bytes) {}
  bool done() const { return at_ == bytes_.size(); }
  std::string_view take(std::size_t n) {
    if (n > bytes_.size() - at_) throw std::out_of_range("beyond the end");
    at_ += n;
    return bytes_.substr(at_ - n, n);
  }
  std::uint64_t varint() {
    std::uint64_t out = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      out |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return out;
    }
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

// Field → its raw bytes (of a varint: 8 bytes, little endian).
std::map<std::uint64_t, std::string> message(std::string_view bytes) {
  std::map<std::uint64_t, std::string> out;
  for (Cursor cursor(bytes); !cursor.done();) {
    const std::uint64_t key = cursor.varint();
    std::string& field = out[key >> 3];
    switch (key & 7) {
      case 0: {
        for (std::uint64_t v = cursor.varint(), i = 0; i < 8; ++i, v >>= 8)
          field += static_cast<char>(v & 0xff);
        break;
      }
      case 1:
        field = cursor.take(8);
        break;
      case 2:
        field = cursor.take(cursor.varint());
        break;
      case 5:
        field = cursor.take(4);
        break;
      default:
        throw std::runtime_error("unknown wire type");
    }
  }
  return out;
}

std::uint32_t unmasked(std::uint64_t masked) {
  const std::uint32_t rotated = static_cast<std::uint32_t>(masked) - 0xa282ead8u;
  return rotated >> 17 | rotated << 15;
}

std::vector<std::string> records(std::string_view file) {
  std::vector<std::string> out;
  for (Cursor cursor(file); !cursor.done();) {
    const std::string_view length = cursor.take(8);
    CHECK(unmasked(little_endian(cursor.take(4))) == slow_crc32c(length));
    const std::string_view data = cursor.take(little_endian(length));
    CHECK(unmasked(little_endian(cursor.take(4))) == slow_crc32c(data));
    out.emplace_back(data);
  }
  return out;
}

double double_of(const std::string& bytes) { return std::bit_cast<double>(little_endian(bytes)); }

float float_of(const std::string& bytes) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(little_endian(bytes)));
}

}  // namespace

TEST_CASE("CRC-32C has the values of RFC 3720") {
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aau);
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43u);
  CHECK(crc32c("123456789") == 0xe3069283u);
  CHECK(crc32c("") == 0);
}

TEST_CASE("scalars come back from an event file with their checksums") {
  const std::vector<ScalarEvent> scalars = {{"train.loss", 2.302585, 1, 1700000000.5},
                                            {"alpha.stem.bn", -0.125, 300, 1700000001.0},
                                            {"lr", NAN, std::int64_t{1} << 40, 0}};
  const std::vector<std::string> all = records(event_file(1700000000.25, scalars));
  REQUIRE(all.size() == 4);
  auto version = message(all[0]);
  CHECK(version[3] == "brain.Event:2");
  CHECK(double_of(version[1]) == 1700000000.25);
  for (std::size_t i = 0; i < scalars.size(); ++i) {
    CAPTURE(i);
    auto event = message(all[i + 1]);
    CHECK(double_of(event[1]) == scalars[i].wall_time);
    CHECK(little_endian(event[2]) == static_cast<std::uint64_t>(scalars[i].step));
    auto value = message(message(event[5])[1]);
    CHECK(value[1] == scalars[i].tag);
    const auto expected = static_cast<float>(scalars[i].value);
    CHECK((float_of(value[2]) == expected ||
           (std::isnan(expected) && std::isnan(float_of(value[2])))));
  }
}

TEST_CASE("an event file without scalars is its version alone") {
  CHECK(records(event_file(1, {})).size() == 1);
}
