#include "export/safetensors.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "core/error.h"
#include "core/file.h"

using namespace bitsweep;
using namespace bitsweep::exporting;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

std::vector<std::byte> file_bytes(std::string_view header, std::size_t data_bytes,
                                  std::uint64_t claimed_length = 0) {
  const std::uint64_t length = claimed_length != 0 ? claimed_length : header.size();
  std::vector<std::byte> out(8 + header.size() + data_bytes);
  std::memcpy(out.data(), &length, 8);
  std::memcpy(out.data() + 8, header.data(), header.size());
  return out;
}

SafetensorsFile parse(std::string_view header, std::size_t data_bytes) {
  return SafetensorsFile::parse(file_bytes(header, data_bytes), "x.safetensors");
}

// The refusal of a file with this header and so many bytes of data.
std::string refusal(std::string_view header, std::size_t data_bytes) {
  try {
    parse(header, data_bytes);
  } catch (const DataError& error) {
    return error.what();
  }
  return "accepted";
}

template <typename T>
std::span<const std::byte> as_bytes(const std::vector<T>& values) {
  return std::as_bytes(std::span(values));
}

struct TemporaryFolder {
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               ("bitsweep_export_test_" + std::to_string(std::random_device{}()));
  ~TemporaryFolder() { std::filesystem::remove_all(path); }
};

}  // namespace

TEST_CASE("what write_safetensors writes, SafetensorsFile reads back, bytes, shapes and metadata") {
  const TemporaryFolder folder;
  const auto file = folder.path / "w.safetensors";
  const std::vector<float> floats{1.5F, -0.0F, std::numeric_limits<float>::denorm_min()};
  const std::vector<std::int8_t> codes{-128, 0, 127, 1, 2};
  const std::vector<double> doubles{1e300};
  write_safetensors(file,
                    {{"codes", DType::i8, {5}, as_bytes(codes)},
                     {"b", DType::f32, {3, 1}, as_bytes(floats)},
                     {"a", DType::f64, {}, as_bytes(doubles)},
                     {"empty", DType::f32, {0, 4}, {}}},
                    {{"origin", "test"}});

  const auto read = SafetensorsFile::read(file);
  CHECK(read.metadata() == Metadata{{"origin", "test"}});
  REQUIRE(read.tensors().size() == 4);
  REQUIRE(read.find("b") != nullptr);
  CHECK(read.find("b")->shape == std::vector<std::int64_t>{3, 1});
  CHECK(std::memcmp(read.bytes(*read.find("b")).data(), floats.data(), 12) == 0);
  CHECK(to_float(read, *read.find("codes")) == std::vector<float>{-128, 0, 127, 1, 2});
  CHECK(read.find("a")->shape.empty());
  CHECK(read.find("empty")->elements() == 0);
  CHECK(read.find("c") == nullptr);
}

TEST_CASE("write_safetensors aligns every tensor to its element size") {
  const TemporaryFolder folder;
  const auto file = folder.path / "w.safetensors";
  const std::vector<std::int8_t> codes(3);
  const std::vector<float> floats(1);
  write_safetensors(
      file, {{"a", DType::i8, {3}, as_bytes(codes)}, {"z", DType::f32, {1}, as_bytes(floats)}});
  const auto content = read_binary_file(file);
  std::uint64_t header = 0;
  std::memcpy(&header, content.data(), 8);
  CHECK(header % 8 == 0);
  CHECK(SafetensorsFile::read(file).find("z")->begin % 4 == 0);
}

TEST_CASE("to_float converts half and bfloat16 exactly, subnormals and infinities included") {
  const std::vector<std::uint16_t> halves{0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x8000, 0x7e00};
  const std::vector<std::uint16_t> bfloats{0x3f80, 0xc000, 0x7f80};
  const TemporaryFolder folder;
  const auto path = folder.path / "h.safetensors";
  write_safetensors(
      path, {{"h", DType::f16, {7}, as_bytes(halves)}, {"b", DType::bf16, {3}, as_bytes(bfloats)}});
  const auto file = SafetensorsFile::read(path);
  const auto h = to_float(file, *file.find("h"));
  CHECK(h[0] == 1.0F);
  CHECK(h[1] == -2.0F);
  CHECK(h[2] == std::ldexp(1.0F, -24));
  CHECK(h[3] == 65504.0F);
  CHECK(h[4] == std::numeric_limits<float>::infinity());
  CHECK(std::signbit(h[5]));
  CHECK(std::isnan(h[6]));
  CHECK(to_float(file, *file.find("b")) ==
        std::vector<float>{1, -2, std::numeric_limits<float>::infinity()});
}

TEST_CASE("a file cut anywhere is refused") {
  const TemporaryFolder folder;
  const auto path = folder.path / "w.safetensors";
  const std::vector<float> values(50, 1.0F);
  write_safetensors(path, {{"a", DType::f32, {5, 5}, as_bytes(std::vector<float>(25))},
                           {"b", DType::f32, {50}, as_bytes(values)}});
  const auto whole = read_binary_file(path);
  CHECK_NOTHROW(SafetensorsFile::parse(whole, "whole"));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK_THROWS_AS(SafetensorsFile::parse({whole.begin(), whole.begin() + length}, "cut"),
                    DataError);
  }
}

TEST_CASE("a file with flipped bits is refused or read within its bounds") {
  const TemporaryFolder folder;
  const auto path = folder.path / "w.safetensors";
  write_safetensors(path,
                    {{"a.weight", DType::f32, {5, 5}, as_bytes(std::vector<float>(25))},
                     {"a.bias", DType::f32, {5}, as_bytes(std::vector<float>(5))}},
                    {{"k", "v"}});
  const auto whole = read_binary_file(path);
  std::uint64_t header = 0;
  std::memcpy(&header, whole.data(), 8);
  int refused = 0;
  for (std::size_t at = 0; at < 8 + header; ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      auto damaged = whole;
      damaged[at] ^= std::byte{1} << bit;
      try {
        const auto file = SafetensorsFile::parse(std::move(damaged), "flipped");
        for (const TensorInfo& tensor : file.tensors()) {
          CHECK(file.bytes(tensor).size() ==
                static_cast<std::size_t>(tensor.elements()) * dtype_bytes(tensor.dtype));
        }
      } catch (const DataError&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 8 * 8);  // most of them; a changed letter in a name is another valid file
}

TEST_CASE("a header longer than the file is refused with both lengths") {
  const auto content = file_bytes("{}", 0, std::uint64_t{1} << 62);
  CHECK_THROWS_MATCHES(SafetensorsFile::parse(content, "x.safetensors"), DataError,
                       MessageMatches(ContainsSubstring("x.safetensors: byte 0") &&
                                      ContainsSubstring("4611686018427387904") &&
                                      ContainsSubstring("2 bytes that follow")));
}

TEST_CASE("archives and pickles named .safetensors are refused and never unpickled") {
  std::vector<std::byte> zip(100);
  std::memcpy(zip.data(), "PK\x03\x04", 4);
  CHECK_THROWS_MATCHES(
      SafetensorsFile::parse(zip, "w.safetensors"), DataError,
      MessageMatches(ContainsSubstring("zip") && ContainsSubstring("never unpickled")));
  std::vector<std::byte> pickle(100, std::byte{'c'});
  pickle[0] = std::byte{0x80};
  pickle[1] = std::byte{2};
  CHECK_THROWS_MATCHES(
      SafetensorsFile::parse(pickle, "w.safetensors"), DataError,
      MessageMatches(ContainsSubstring("pickle") && ContainsSubstring("never unpickled")));
  // A short pickle, whose first bytes are a plausible header length.
  std::vector<std::byte> small(0x300, std::byte{0});
  small[0] = std::byte{0x80};
  small[1] = std::byte{2};
  CHECK_THROWS_MATCHES(SafetensorsFile::parse(small, "w.safetensors"), DataError,
                       MessageMatches(ContainsSubstring("never unpickled")));
}

TEST_CASE("headers that do not describe the data are refused, each with its reason") {
  const std::string a = R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  CHECK(refusal("{" + a + "}", 8) == "accepted");
  CHECK_THAT(refusal("{" + a + "," + a + "}", 8), ContainsSubstring("'a' twice"));
  CHECK_THAT(refusal("{" + a + "}", 9), ContainsSubstring("1 bytes belong to no tensor"));
  CHECK_THAT(refusal("{" + a + "}", 7), ContainsSubstring("the data has 7 bytes"));
  CHECK_THAT(refusal("{" + a + R"(,"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}})", 8),
             ContainsSubstring("'b' overlaps"));
  CHECK_THAT(refusal("{" + a + R"(,"b":{"dtype":"U8","shape":[1],"data_offsets":[9,10]}})", 10),
             ContainsSubstring("'b' leaves a gap"));
  CHECK_THAT(refusal(R"({"a":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}})", 8),
             ContainsSubstring("'a' is F32 [3] but has 8 bytes"));
  CHECK_THAT(refusal(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8),
             ContainsSubstring("data_offsets 8 to 0"));
  CHECK_THAT(refusal(R"({"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}})", 8),
             ContainsSubstring("dtype \"F31\""));
  CHECK_THAT(refusal(R"({"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}})", 8),
             ContainsSubstring("holds -2, expected counts"));
  CHECK_THAT(
      refusal(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296,2],"data_offsets":[0,8]}})", 8),
      ContainsSubstring("but has 8 bytes"));
  CHECK_THAT(refusal(R"({"a":{"dtype":"F32","shape":[2]}})", 8),
             ContainsSubstring("does not have exactly"));
  CHECK_THAT(refusal(R"({"a":[[[[[[1]]]]]]})", 0), ContainsSubstring("nested deeper"));
  CHECK_THAT(refusal(R"({"__metadata__":{"k":1}})", 0), ContainsSubstring("'k'"));
  CHECK_THAT(refusal(R"({"a":)", 0), ContainsSubstring("not JSON"));
  CHECK_THAT(refusal("[1,2]", 0), ContainsSubstring("does not start with '{'"));
  CHECK_THAT(refusal("{\"\xff\":1}", 0), ContainsSubstring("not JSON"));
}
