#include "data/normalize.h"

#include <algorithm>
#include <cmath>

#include "core/check.h"

namespace bitsweep::data {
namespace {

using Triple = std::array<double, 3>;

// (x / divisor − mean) / std, in float32 and in this order.
Normalization table(float divisor, const Triple& mean, const Triple& std) {
  Normalization out;
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t x = 0; x < 256; ++x) {
      const float scaled = static_cast<float>(x) / divisor;
      out.value[c][x] = (scaled - static_cast<float>(mean[c])) / static_cast<float>(std[c]);
    }
  }
  return out;
}

}  // namespace

Normalization normalization(const config::NormalizeConfig& config, const Dataset& dataset) {
  constexpr Triple kZero{0, 0, 0};
  constexpr Triple kOne{1, 1, 1};
  const std::string& name = config.name == "auto" ? dataset.normalize : config.name;
  if (name == "custom") return table(255, config.mean, config.std);
  // Documents 002 and 001: facts A.6; the standard deviations are those of per-image means.
  if (name == "cifar10") return table(255, {0.4914, 0.4822, 0.4465}, {0.2023, 0.1994, 0.2010});
  if (name == "cifar100") return table(255, {0.5071, 0.4865, 0.4409}, {0.2673, 0.2564, 0.2762});
  if (name == "imagenet") return table(255, {0.485, 0.456, 0.406}, {0.229, 0.224, 0.225});
  if (name == "raw") return table(1, kZero, kOne);
  if (name == "tf") return table(127.5F, kOne, kOne);
  if (name == "caffe") {
    Normalization out = table(1, {104, 117, 123}, kOne);
    out.source = {2, 1, 0};
    return out;
  }
  throw ConfigError(fmt::format(
      "data.normalize: unknown name '{}'; known: auto, cifar10, cifar100, imagenet, raw, tf, caffe",
      name));
}

double largest_value(const Normalization& normalization) {
  float largest = 0;
  for (const auto& channel : normalization.value) {
    for (const float value : channel) largest = std::max(largest, std::fabs(value));
  }
  return static_cast<double>(largest);
}

void normalized_batch(const Images& images, std::span<const std::int64_t> positions,
                      const Normalization& normalization, float* out) {
  BITSWEEP_CHECK(images.shape.channels == 3, "{} channels", images.shape.channels);
  const std::int64_t plane = images.shape.height * images.shape.width;
  for (const std::int64_t position : positions) {
    BITSWEEP_CHECK(position >= 0 && position < images.count(), "image {} of {}", position,
                   images.count());
    const std::uint8_t* image = images.image(position);
    for (std::size_t c = 0; c < 3; ++c) {
      const std::uint8_t* from = image + normalization.source[c] * plane;
      const auto& value = normalization.value[c];
      for (std::int64_t i = 0; i < plane; ++i) *out++ = value[from[i]];
    }
  }
}

}  // namespace bitsweep::data
