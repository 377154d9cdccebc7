#include "data/jpeg.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <random>

#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"
#include "data/resample.h"

using namespace bitsweep;
using namespace bitsweep::data;
using Catch::Matchers::ContainsSubstring;

namespace {

std::vector<std::byte> file_of(const std::string& name) {
  return read_binary_file(std::string(BITSWEEP_JPEGS) + "/" + name + ".jpg");
}

std::string digest(std::span<const std::uint8_t> bytes) { return sha256_hex(std::as_bytes(bytes)); }

struct Expected {
  const char* name;
  std::int64_t width, height;
  const char* decoded;  // SHA-256 of [height, width, 3]
  const char* at_224;   // of [3, size, size] after scaling and cropping
  const char* at_227;
  const char* at_299;
};

// Printed by make_jpegs.py.
const Expected kPillow[] = {
    {"wide", 97, 61, "279f8291ac266f456ccef1e1190d9cf0491ae052bc567295cd67be77700dc5fe",
     "d2c9ebf07dfb2bc37ea3a4a949baf6e119b4a7c2feb5512df6be1a37a48cf77d",
     "cbaef8eaa7ded67bdf5375d23eb503fa2db16a81f627d56e1bbdcfe053e25404",
     "145560e5724c4f3063455fa8837a14e30eb0fbeab2d4959048cd815b6fa095d4"},
    {"tall", 40, 83, "8300b2f8e8ad89f987526907926ff5a7c4ea23498f66f74bd28a44fb5adc8e76",
     "a7c4201a11e07c1185e857eb06645335d0e803dae86e29d4044b6f937908135f",
     "7657ec09bda7574d40ba19e0ab064949a797c006b72f77c836fd5c6c86cc8396",
     "96c1b14996923228b319ecb3a063613ed1aba4c27b734b7eba9bee96bbae7ebd"},
    {"large", 411, 333, "c2ccbe0b374cc42979eafe012ae50cfde56974d7e05fc62068564cc7eca32ac7",
     "dda4827b0922f320df7617df674de8f30d82dd43ad883ed8a42dcf49f8260b61",
     "c745510917f1da0a5cd11824a47212ca6e0b84a2b7bce0081fbe4b72f4483b0f",
     "835dac3498e1a35979b9f362dfee8c1aa794a44fa8ef5bbc11fe4f77155a5045"},
    {"progressive", 64, 64, "8a61bce54011eb428e0487ddcb9a3638ba2f7b27f5bc7009fe61bcf85130f269",
     "5727a25ccb668a49c25e8e01593d9866652a763fb6c965cdb60b488b9800247d",
     "b6f1739487f330be0db7e5decd02c51b9c4602f856041627b918c26c309c7cef",
     "6044f54159e65470bde47a7dd3f3f92f2d08a3cb27b71602cd0b19b18c96dc0a"},
    {"grey", 50, 50, "ff17fe2ab5d5e9fbbb98bd5f20cd1e9224bcaa2d59ebc4fb67d5375b2bd50c59",
     "39ccc3fa364d494c47848cfd520af9d619a7509cc1ce71c92b04b8f134a646da",
     "bd98ff79e3ea878dd9438c06634fabd80c9685b881b044510e44c45f73f77c9e",
     "78c654219cb36844315423a8cdc38e1e10dbe8f6b72fd069cb25f60c482c46cf"},
    {"inks", 48, 40, "11758ae0b918c2173a7cc31ef5e5005d8937983c96e7fcb5f8dc63e1c996214e",
     "ae9da34d4d4546fd808ce2690cc669c54a6db908e5bd59cd8952a936141f84e7",
     "674bc318b0f75fdba91c71660e36e03611da5a982d0ba39aa21774b74e0f878b",
     "1ff4f3c494a81a126fe32998656f05fc3d91a7bbdec1bfaebea8de0a2c5d764c"}};

}  // namespace

TEST_CASE("JPEG files have the same bytes as in Pillow, decoded and at each input size") {
  for (const Expected& expected : kPillow) {
    CAPTURE(expected.name);
    const DecodedJpeg decoded = decode_jpeg(file_of(expected.name));
    CHECK(decoded.image.width == expected.width);
    CHECK(decoded.image.height == expected.height);
    CHECK(digest(decoded.image.pixels) == expected.decoded);
    CHECK(decoded.was_cmyk == (std::string(expected.name) == "inks"));
    for (const auto& [size, at] :
         {std::pair(224, expected.at_224), {227, expected.at_227}, {299, expected.at_299}}) {
      CAPTURE(size);
      std::vector<std::uint8_t> out(static_cast<std::size_t>(3 * size * size));
      scale_and_crop(decoded.image, size, out.data());
      CHECK(digest(out) == at);
    }
  }
}

TEST_CASE("an image of the right size is not filtered, and an odd margin is halved to even") {
  RgbImage image{256, 259, std::vector<std::uint8_t>(256 * 259 * 3)};
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels[i] = static_cast<std::uint8_t>(i * 7);
  }
  std::vector<std::uint8_t> out(3 * 256 * 256);
  scale_and_crop(image, 256, out.data());  // margin 3: 1.5 is 2 columns on the left
  CHECK(out[0] == image.pixels[2 * 3]);
  image.width = 257;
  image.pixels.resize(256 * 257 * 3);
  scale_and_crop(image, 256, out.data());  // margin 1: 0.5 is none
  CHECK(out[0] == image.pixels[0]);
}

TEST_CASE("an image that is far too long is refused before it is scaled") {
  const RgbImage image{1, 300, std::vector<std::uint8_t>(900)};
  std::vector<std::uint8_t> out(3 * 224 * 224);
  CHECK_THROWS_WITH(scale_and_crop(image, 224, out.data()), ContainsSubstring("300 x 1"));
}

TEST_CASE("what is no JPEG file, or a cut one, is refused with what is wrong") {
  CHECK_THROWS_WITH(decode_jpeg({}), ContainsSubstring("no JPEG file (0 bytes)"));
  const std::string png = "\x89PNG\r\n";
  CHECK_THROWS_WITH(decode_jpeg(std::as_bytes(std::span(png))), ContainsSubstring("no JPEG file"));
  for (const char* name : {"wide", "progressive", "inks"}) {
    const std::vector<std::byte> file = file_of(name);
    for (std::size_t size = 0; size + 2 < file.size(); size += 1 + size / 9) {
      CAPTURE(name, size);
      CHECK_THROWS_AS(decode_jpeg(std::span(file).first(size)), DataError);
    }
  }
  const std::vector<std::byte> wide = file_of("wide");
  CHECK_THROWS_WITH(decode_jpeg(std::span(wide).first(wide.size() / 2)),
                    ContainsSubstring("Premature end of JPEG file"));
}

TEST_CASE("a header that promises more than 64 million pixels is refused") {
  std::vector<std::byte> file = file_of("wide");
  for (std::size_t i = 0; i + 9 < file.size(); ++i) {
    if (file[i] != std::byte{0xFF} || file[i + 1] != std::byte{0xC0}) continue;
    for (std::size_t k = 5; k < 9; ++k) file[i + k] = std::byte{0xFE};  // height and width
    break;
  }
  CHECK_THROWS_WITH(decode_jpeg(file), ContainsSubstring("more than 64 million"));
}

TEST_CASE("flipped bytes are decoded or refused, never worse") {
  std::mt19937 random(1);
  int refused = 0;
  for (const char* name : {"wide", "progressive", "grey", "inks"}) {
    const std::vector<std::byte> file = file_of(name);
    for (int round = 0; round < 60; ++round) {
      std::vector<std::byte> damaged = file;
      for (int flips = 1 + round % 4; flips > 0; --flips) {
        damaged[random() % damaged.size()] ^= static_cast<std::byte>(1U << (random() % 8));
      }
      try {
        const DecodedJpeg decoded = decode_jpeg(damaged);
        const auto& image = decoded.image;
        CHECK(image.pixels.size() == static_cast<std::size_t>(image.height * image.width * 3));
      } catch (const DataError&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 20);
}
