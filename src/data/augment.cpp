#include "data/augment.h"

#include <algorithm>

#include "core/check.h"
#include "data/order.h"
#include "kernels/philox_math.h"

namespace bitsweep::data {
namespace {

constexpr std::int64_t kChannels = 3;

// 0 … count − 1, each with a probability within 2^-32 of 1 / count.
int draw_below(std::uint32_t bits, int count) {
  return static_cast<int>((std::uint64_t{bits} * static_cast<std::uint64_t>(count)) >> 32);
}

// One crop of an image, [height, width, 3] at `out`.
void gather(const std::uint8_t* image, const ImageShape& shape, const Normalization& normalization,
            const Crop& crop, float* out) {
  const std::int64_t width = shape.width;
  // Output columns [first, last) show the image, counted before mirroring.
  const std::int64_t first = std::clamp<std::int64_t>(-crop.left, 0, width);
  const std::int64_t last = std::clamp<std::int64_t>(width - crop.left, first, width);
  // Mirroring writes the columns backwards.
  const std::int64_t stride = crop.mirrored ? -kChannels : kChannels;
  const std::int64_t begin = crop.mirrored ? (width - 1) * kChannels : 0;
  for (std::size_t c = 0; c < kChannels; ++c) {
    const auto& value = normalization.value[c];
    const std::uint8_t* plane = image + normalization.source[c] * shape.height * width;
    for (std::int64_t y = 0; y < shape.height; ++y) {
      float* to = out + y * width * kChannels + begin + static_cast<std::int64_t>(c);
      const std::int64_t row = y + crop.top;
      const bool outside = row < 0 || row >= shape.height;
      const std::int64_t shown_first = outside ? width : first;
      const std::int64_t shown_last = outside ? width : last;
      const std::int64_t from = row * width + crop.left;
      std::int64_t x = 0;
      for (; x < shown_first; ++x, to += stride) *to = value[0];
      for (; x < shown_last; ++x, to += stride) *to = value[plane[from + x]];
      for (; x < width; ++x, to += stride) *to = value[0];
    }
  }
}

template <class CropOf>
void batch(const Images& images, std::span<const std::int64_t> positions,
           const Normalization& normalization, float* out, std::int32_t* labels, CropOf crop_of) {
  BITSWEEP_CHECK(images.shape.channels == kChannels, "{} channels", images.shape.channels);
  const std::int64_t elements = images.shape.elements();
  for (const std::int64_t position : positions) {
    BITSWEEP_CHECK(position >= 0 && position < images.count(), "image {} of {}", position,
                   images.count());
    gather(images.image(position), images.shape, normalization, crop_of(position), out);
    out += elements;
    *labels++ = images.labels[static_cast<std::size_t>(position)];
  }
}

}  // namespace

Crop draw_crop(const Augmentation& augmentation, std::uint64_t seed, std::uint32_t epoch,
               std::int64_t position) {
  if (!augmentation.enabled) return {};
  const kernels::RandomStream random{
      .seed = seed, .stream = static_cast<std::uint32_t>(OrderStream::augmentation), .step = epoch};
  const auto draws = kernels::random_block(random, static_cast<std::uint64_t>(position));
  const int places = 2 * augmentation.padding + 1;
  return {.top = draw_below(draws.word[0], places) - augmentation.padding,
          .left = draw_below(draws.word[1], places) - augmentation.padding,
          .mirrored = augmentation.flip && draws.word[2] >> 31 == 1};
}

void training_batch(const Images& images, std::span<const std::int64_t> positions,
                    const Normalization& normalization, const Augmentation& augmentation,
                    std::uint64_t seed, std::uint32_t epoch, float* out, std::int32_t* labels) {
  batch(images, positions, normalization, out, labels,
        [&](std::int64_t position) { return draw_crop(augmentation, seed, epoch, position); });
}

void evaluation_batch(const Images& images, std::span<const std::int64_t> positions,
                      const Normalization& normalization, float* out, std::int32_t* labels) {
  batch(images, positions, normalization, out, labels, [](std::int64_t) { return Crop{}; });
}

}  // namespace bitsweep::data
