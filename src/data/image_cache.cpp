#include "data/image_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "data/split.h"

namespace bitsweep::data {
namespace {

constexpr std::size_t kHeld = 4;

std::string key_of(const Dataset& dataset, const Selection& selection, const std::string& root) {
  return fmt::format("{} {} {} {} {} {}", dataset.name, to_string(selection.split),
                     selection.images.value_or(-1), static_cast<int>(selection.subset),
                     selection.image_size.value_or(0), root);
}

Images chosen(const Images& images, std::span<const std::int64_t> positions) {
  const ImageShape& shape = images.shape;
  const std::int64_t bytes = shape.channels * shape.height * shape.width;
  Images out;
  out.shape = shape;
  out.file = images.file;
  for (const std::int64_t position : positions) {
    if (images.file) {
      out.rows.push_back(images.rows[static_cast<std::size_t>(position)]);
    } else {
      const std::uint8_t* first = images.image(position);
      out.pixels.insert(out.pixels.end(), first, first + bytes);
    }
    out.labels.push_back(images.labels[static_cast<std::size_t>(position)]);
  }
  return out;
}

}  // namespace

Selection selection_of(const config::DataConfig& data, Split split) {
  return {.split = split,
          .images = split == Split::train ? data.train_images : data.test_images,
          .subset = data.subset == "stratified" ? Subset::stratified : Subset::first,
          .image_size = data.image_size};
}

ImageCache::Shared ImageCache::known_or(const std::string& key,
                                        const std::function<Images()>& make) {
  std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
  Shared images = known_[key].lock();
  if (!images) images = std::make_shared<const Images>(make());
  known_[key] = images;
  std::erase(held_, images);
  if (held_.size() >= kHeld) held_.erase(held_.begin());
  held_.push_back(images);
  return images;
}

ImageCache::Shared ImageCache::get(const Dataset& dataset, const Selection& selection,
                                   const std::string& root) {
  return known_or(key_of(dataset, selection, root),
                  [&] { return load_images(dataset, selection, root); });
}

ImageCache::Shared ImageCache::validation(const Dataset& dataset, const Selection& training,
                                          const std::string& root, std::int64_t images) {
  const std::string key = fmt::format("{} validation {}", key_of(dataset, training, root), images);
  return known_or(key, [&] {
    const Shared all = get(dataset, training, root);
    return chosen(*all, split_validation(*all, images).validation);
  });
}

}  // namespace bitsweep::data
