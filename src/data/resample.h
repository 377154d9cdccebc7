// An image scaled and cropped to what a network reads, with the same bytes as Pillow's
// `resize(..., BILINEAR)` and torchvision's `Resize` and `CenterCrop`: facts 002-004 B.6.
#pragma once

#include <cstdint>

#include "data/jpeg.h"

namespace bitsweep::data {

// Both edges > 0. Triangle filter, widened where the image shrinks (antialiased); weights in 22-bit
// fixed point, rows first, each pass rounded to bytes. An edge that stays as it is is not filtered.
RgbImage resize(const RgbImage& image, std::int64_t height, std::int64_t width);

// The short edge the images are scaled to before a crop of `size`: 256, or `size` where that is
// larger (Inception-V3: 299 and 299).
std::int64_t short_edge_for(std::int64_t size);

// resize() so that the short edge is short_edge_for(size) (the long one rounded down), then the
// middle [size, size]; out: [3, size, size], planar. An odd margin leaves its extra row or column
// where Python's round() does: the margin's half is rounded to even. Throws DataError where the
// long edge would be longer than 65,536.
void scale_and_crop(const RgbImage& image, std::int64_t size, std::uint8_t* out);

}  // namespace bitsweep::data
