#include "data/augment.h"

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cmath>
#include <map>

#include "core/error.h"
#include "data/order.h"

using namespace bitsweep;
using namespace bitsweep::data;

namespace {

constexpr std::int64_t kHeight = 4;
constexpr std::int64_t kWidth = 5;

// Pixels that differ everywhere and are never 0: image 40·n + …, channel, row and column.
Images numbered(std::int64_t count) {
  Images out{{3, kHeight, kWidth}, {}, {}};
  for (std::int64_t n = 0; n < count; ++n) {
    for (std::int64_t i = 0; i < out.shape.elements(); ++i)
      out.pixels.push_back(static_cast<std::uint8_t>(1 + (i + 60 * n) % 255));
    out.labels.push_back(static_cast<std::int32_t>(n % 10));
  }
  return out;
}

Normalization named(const std::string& name) {
  config::NormalizeConfig config;
  config.name = name;
  return normalization(config, datasets().get("cifar10"));
}

struct Batch {
  std::vector<float> values;
  std::vector<std::int32_t> labels;
  friend bool operator==(const Batch&, const Batch&) = default;
};

Batch train(const Images& images, const std::vector<std::int64_t>& positions,
            const Augmentation& augmentation, std::uint64_t seed, std::uint32_t epoch,
            const std::string& normalize = "raw") {
  Batch out{std::vector<float>(positions.size() * kHeight * kWidth * 3, NAN),
            std::vector<std::int32_t>(positions.size(), -1)};
  training_batch(images, positions, named(normalize), augmentation, seed, epoch, out.values.data(),
                 out.labels.data());
  return out;
}

// Pads, crops, mirrors and normalises one value at a time, as the words of augment.h say it.
float reference(const Images& images, std::int64_t position, const Crop& crop,
                const Normalization& normalization, std::int64_t y, std::int64_t x, std::size_t c) {
  const std::int64_t row = y + crop.top;
  const std::int64_t column = (crop.mirrored ? kWidth - 1 - x : x) + crop.left;
  std::uint8_t pixel = 0;
  if (row >= 0 && row < kHeight && column >= 0 && column < kWidth)
    pixel = images.pixels[static_cast<std::size_t>(
        ((position * 3 + normalization.source[c]) * kHeight + row) * kWidth + column)];
  return normalization.value[c][pixel];
}

}  // namespace

TEST_CASE("a training batch is the crop of each image, value by value") {
  const Images images = numbered(60);
  const std::vector<std::int64_t> positions = file_order(60);
  for (const char* name : {"raw", "caffe", "cifar10"}) {
    for (const int padding : {0, 1, 4, 7}) {  // 7: crops beyond the image
      const Augmentation augmentation{.padding = padding};
      const Batch got = train(images, positions, augmentation, 3, 2, name);
      const Normalization normalization = named(name);
      std::size_t wrong = 0, at = 0;
      for (const std::int64_t position : positions) {
        const Crop crop = draw_crop(augmentation, 3, 2, position);
        for (std::int64_t y = 0; y < kHeight; ++y)
          for (std::int64_t x = 0; x < kWidth; ++x)
            for (std::size_t c = 0; c < 3; ++c)
              wrong +=
                  got.values[at++] != reference(images, position, crop, normalization, y, x, c);
      }
      CAPTURE(name, padding);
      CHECK(wrong == 0);
      CHECK(got.labels == images.labels);
    }
  }
}

TEST_CASE("an image of an epoch is the same in every batch and order") {
  const Images images = numbered(8);
  const Batch together = train(images, {5, 2, 7}, {}, 11, 4);
  const Batch alone = train(images, {7}, {}, 11, 4);
  CHECK(std::equal(alone.values.begin(), alone.values.end(),
                   together.values.end() - kHeight * kWidth * 3));
  CHECK(alone.labels[0] == together.labels[2]);
}

TEST_CASE("seed and epoch change the crops") {
  const Images images = numbered(20);
  const Batch first = train(images, file_order(20), {}, 1, 0);
  CHECK(train(images, file_order(20), {}, 1, 0) == first);
  CHECK(train(images, file_order(20), {}, 1, 1) != first);
  CHECK(train(images, file_order(20), {}, 2, 0) != first);
}

TEST_CASE("without augmentation a training batch is the evaluation batch, channels last") {
  const Images images = numbered(6);
  const std::vector<std::int64_t> positions{4, 0, 5};
  const Batch got = train(images, positions, {.enabled = false}, 1, 1, "cifar10");
  Batch expected = got;
  evaluation_batch(images, positions, named("cifar10"), expected.values.data(),
                   expected.labels.data());
  CHECK(got == expected);
  std::vector<float> planar(got.values.size());
  normalized_batch(images, positions, named("cifar10"), planar.data());
  for (std::size_t n = 0; n < 3; ++n)
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t i = 0; i < kHeight * kWidth; ++i)
        CHECK(got.values[(n * kHeight * kWidth + i) * 3 + c] ==
              planar[(n * 3 + c) * kHeight * kWidth + i]);
}

TEST_CASE("the padding is pixel 0 before normalisation") {
  // Every pixel 255: whatever is not its value is padding.
  Images images = numbered(200);
  std::ranges::fill(images.pixels, std::uint8_t{255});
  const Normalization normalization = named("cifar10");
  std::array<bool, 2> seen{};
  const Batch got = train(images, file_order(200), {}, 1, 0, "cifar10");
  for (std::size_t i = 0; i < got.values.size(); ++i) {
    const bool padding = got.values[i] == normalization.value[i % 3][0];
    REQUIRE((padding || got.values[i] == normalization.value[i % 3][255]));
    seen[padding] = true;
  }
  CHECK((seen[0] && seen[1]));
}

TEST_CASE("crops and flips are drawn evenly and within the padding") {
  std::map<int, int> tops, lefts;
  int mirrored = 0;
  for (std::int64_t i = 0; i < 9000; ++i) {
    const Crop crop = draw_crop({}, 1, 0, i);
    ++tops[crop.top];
    ++lefts[crop.left];
    mirrored += crop.mirrored;
  }
  // 1000 expected of each of −4 … 4, standard deviation 30; 4500 flips, standard deviation 47.
  for (const auto& counts : {tops, lefts}) {
    REQUIRE(counts.size() == 9);
    CHECK((counts.begin()->first == -4 && counts.rbegin()->first == 4));
    for (const auto& [place, count] : counts) CHECK(std::abs(count - 1000) < 150);
  }
  CHECK(std::abs(mirrored - 4500) < 235);
  for (std::int64_t i = 0; i < 100; ++i) CHECK_FALSE(draw_crop({.flip = false}, 1, 0, i).mirrored);
}

TEST_CASE("an image that is not there is a programmer's mistake") {
  CHECK_THROWS_AS(train(numbered(3), {3}, {}, 1, 0), InternalError);
  CHECK_THROWS_AS(train(numbered(3), {-1}, {}, 1, 0), InternalError);
}
