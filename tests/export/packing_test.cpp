#include "export/packing.h"

#include <rapidcheck.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include "core/error.h"

namespace bitsweep::exporting {
namespace {

std::vector<int> as_ints(const std::vector<std::byte>& bytes) {
  std::vector<int> out;
  for (const std::byte byte : bytes) out.push_back(std::to_integer<int>(byte));
  return out;
}

// A layout and codes that fit it.
struct Tensor {
  PackedLayout layout;
  std::vector<std::int32_t> codes;
};

Tensor any_tensor() {
  Tensor out;
  out.layout.per_channel = *rc::gen::inRange<std::int64_t>(0, 40);
  out.layout.bits = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 17));
  for (const int bits : out.layout.bits) {
    for (std::int64_t i = 0; i < out.layout.per_channel; ++i) {
      out.codes.push_back(*rc::gen::inRange(0, 1 << stored_bits(bits)));
    }
  }
  return out;
}

// What goes wrong where `property` does not hold, with the smallest case; "" where it does.
template <class Property>
std::string counterexample(const std::string& name, Property property) {
  const rc::detail::TestParams params{.seed = 20261121, .maxSuccess = 200};
  rc::detail::TestMetadata metadata;
  metadata.description = name;
  const auto result = rc::detail::checkTestable(std::move(property), metadata, params);
  if (result.template is<rc::detail::SuccessResult>()) return "";
  std::ostringstream out;
  rc::detail::printResultMessage(result, out);
  return out.str();
}

TEST_CASE("packed codes begin at the lowest bit of byte 0 and leave no gaps between channels") {
  CHECK(as_ints(pack(std::vector<std::int32_t>{1, 2, 3, 15}, {{4}, 4})) == std::vector{0x21, 0xf3});
  // 3 bits, then none, then 5: 101 | 110 | – | 11001 | 00111
  CHECK(as_ints(pack(std::vector<std::int32_t>{5, 6, 0, 0, 25, 7}, {{3, 0, 5}, 2})) ==
        std::vector{0b01110101, 0b00111110});
  CHECK(as_ints(pack(std::vector<std::int32_t>{0x1234}, {{9}, 1})) == std::vector{0x34, 0x12});
}

TEST_CASE("packed codes take the bits that they are said to have, rounded up to a byte once") {
  CHECK(PackedLayout{{4, 6, 8}, 9}.bytes() == (18 * 9 + 7) / 8);
  CHECK(PackedLayout{{0, 0}, 100}.bytes() == 0);
  CHECK(PackedLayout{{12}, 3}.bytes() == 6);
  for (const int bits : {1, 2, 3, 4, 5, 6, 7, 8}) CHECK(PackedLayout{{bits}, 8}.bytes() == bits);
}

TEST_CASE("packed codes come back, whatever their widths") {
  CHECK(counterexample("pack and unpack", [] {
          const Tensor tensor = any_tensor();
          const std::vector<std::byte> packed = pack(tensor.codes, tensor.layout);
          RC_ASSERT(static_cast<std::int64_t>(packed.size()) == tensor.layout.bytes());
          RC_ASSERT(unpack(packed, tensor.layout, "t") == tensor.codes);
        }) == "");
}

TEST_CASE("another code gives other bytes: no two tensors of a layout pack alike") {
  CHECK(counterexample("injective", [] {
          const Tensor tensor = any_tensor();
          RC_PRE(tensor.layout.total_bits() > 0);
          std::vector<std::byte> packed = pack(tensor.codes, tensor.layout);
          const auto bit = *rc::gen::inRange<std::int64_t>(0, tensor.layout.total_bits());
          packed[static_cast<std::size_t>(bit / 8)] ^= std::byte{1} << (bit % 8);
          RC_ASSERT(unpack(packed, tensor.layout, "t") != tensor.codes);
        }) == "");
}

TEST_CASE("a code that does not fit its width is refused") {
  const auto code = GENERATE(-1, 16, 1 << 20);
  CHECK_THROWS_AS(pack(std::vector<std::int32_t>{code}, {{4}, 1}), InternalError);
}

TEST_CASE("packed bytes of another length, or with bits past the end, are refused") {
  const PackedLayout layout{{3}, 2};
  CHECK_THROWS_AS(unpack(std::vector<std::byte>(2), layout, "t"), DataError);
  CHECK_THROWS_AS(unpack(std::vector<std::byte>{std::byte{0x40}}, layout, "t"), DataError);
  CHECK(unpack(std::vector<std::byte>{std::byte{0x3f}}, layout, "t") ==
        std::vector<std::int32_t>{7, 7});
}

}  // namespace
}  // namespace bitsweep::exporting
