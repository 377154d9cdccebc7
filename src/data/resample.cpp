#include "data/resample.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/check.h"
#include "core/error.h"

namespace bitsweep::data {
namespace {

constexpr int kFractionBits = 22;  // Pillow's PRECISION_BITS
constexpr std::int64_t kChannels = 3;

// Which inputs make an output, and with which weights.
struct Taps {
  std::int64_t first = 0;
  std::vector<int> weights;
};

std::vector<Taps> taps(std::int64_t in, std::int64_t out) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double support = std::max(scale, 1.0);
  const double inverse = 1.0 / support;
  std::vector<Taps> all(static_cast<std::size_t>(out));
  std::vector<double> weights;
  for (std::int64_t i = 0; i < out; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(static_cast<std::int64_t>(center - support + 0.5), 0);
    const auto last = std::min(static_cast<std::int64_t>(center + support + 0.5), in);
    weights.clear();
    double sum = 0;
    for (std::int64_t x = first; x < last; ++x) {
      const double distance = std::abs((static_cast<double>(x) - center + 0.5) * inverse);
      weights.push_back(std::max(1.0 - distance, 0.0));
      sum += weights.back();
    }
    Taps& out_taps = all[static_cast<std::size_t>(i)];
    out_taps.first = first;
    for (const double weight : weights) {
      out_taps.weights.push_back(static_cast<int>(0.5 + weight / sum * (1 << kFractionBits)));
    }
  }
  return all;
}

// One output byte from inputs `stride` apart.
std::uint8_t weigh(const std::uint8_t* from, std::int64_t stride, const Taps& taps) {
  int sum = 1 << (kFractionBits - 1);
  for (const int weight : taps.weights) {
    sum += *from * weight;
    from += stride;
  }
  return static_cast<std::uint8_t>(std::clamp(sum >> kFractionBits, 0, 255));
}

RgbImage resize_width(const RgbImage& image, std::int64_t width) {
  RgbImage out{image.height, width, {}};
  out.pixels.resize(static_cast<std::size_t>(out.height * width * kChannels));
  const std::vector<Taps> all = taps(image.width, width);
  std::uint8_t* to = out.pixels.data();
  for (std::int64_t y = 0; y < image.height; ++y) {
    const std::uint8_t* row = image.pixels.data() + y * image.width * kChannels;
    for (const Taps& taps : all) {
      const std::uint8_t* from = row + taps.first * kChannels;
      for (std::int64_t c = 0; c < kChannels; ++c) *to++ = weigh(from + c, kChannels, taps);
    }
  }
  return out;
}

RgbImage resize_height(const RgbImage& image, std::int64_t height) {
  RgbImage out{height, image.width, {}};
  const std::int64_t row = image.width * kChannels;
  out.pixels.resize(static_cast<std::size_t>(height * row));
  std::uint8_t* to = out.pixels.data();
  for (const Taps& taps : taps(image.height, height)) {
    const std::uint8_t* from = image.pixels.data() + taps.first * row;
    for (std::int64_t i = 0; i < row; ++i) *to++ = weigh(from + i, row, taps);
  }
  return out;
}

// Half of a margin, rounded to even.
std::int64_t half(std::int64_t margin) { return margin / 2 + (margin % 4 == 3 ? 1 : 0); }

}  // namespace

RgbImage resize(const RgbImage& image, std::int64_t height, std::int64_t width) {
  BITSWEEP_CHECK(height > 0 && width > 0 && image.height > 0 && image.width > 0,
                 "{} x {} from {} x {}", height, width, image.height, image.width);
  RgbImage out = width == image.width ? image : resize_width(image, width);
  return height == out.height ? out : resize_height(out, height);
}

std::int64_t short_edge_for(std::int64_t size) {
  constexpr std::int64_t kShortEdge = 256;
  return std::max(size, kShortEdge);
}

void scale_and_crop(const RgbImage& image, std::int64_t size, std::uint8_t* out) {
  const std::int64_t edge = short_edge_for(size);
  const std::int64_t shorter = std::min(image.height, image.width);
  const std::int64_t longer = std::max(image.height, image.width);
  constexpr std::int64_t kLongest = 1 << 16;
  if (edge * longer / shorter > kLongest) {
    throw DataError(fmt::format("it is {} x {}, too long for a short edge of {}", image.width,
                                image.height, edge));
  }
  const RgbImage scaled =
      resize(image, edge * image.height / shorter, edge * image.width / shorter);
  const std::int64_t top = half(scaled.height - size);
  const std::int64_t left = half(scaled.width - size);
  for (std::int64_t c = 0; c < kChannels; ++c) {
    for (std::int64_t y = 0; y < size; ++y) {
      const std::uint8_t* from =
          scaled.pixels.data() + ((top + y) * scaled.width + left) * kChannels + c;
      for (std::int64_t x = 0; x < size; ++x) *out++ = from[kChannels * x];
    }
  }
}

}  // namespace bitsweep::data
