// JPEG files to red, green and blue bytes, as Pillow opens them (libjpeg's slow integer transform,
// smooth chroma upsampling), so that accuracies are those of PyTorch's data loaders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace bitsweep::data {

struct RgbImage {
  std::int64_t height = 0;
  std::int64_t width = 0;
  std::vector<std::uint8_t> pixels;  // [height, width, 3]
};

struct DecodedJpeg {
  RgbImage image;
  bool was_cmyk = false;  // four inks, converted as Pillow's convert("RGB") does
};

// Grey images have three equal channels. Throws DataError that says what is wrong, without the
// file's name: no JPEG file, cut short, a damaged code, more than 64 million pixels. Bytes between
// the parts of a file that mean nothing are passed over, as Pillow does.
DecodedJpeg decode_jpeg(std::span<const std::byte> file);

}  // namespace bitsweep::data
