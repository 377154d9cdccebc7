#include "data/image_cache.h"

#include <fmt/format.h>

namespace bitsweep::data {
namespace {

constexpr std::size_t kKept = 4;

}  // namespace

Selection selection_of(const config::DataConfig& data, Split split) {
  return {.split = split,
          .images = split == Split::train ? data.train_images : data.test_images,
          .subset = data.subset == "stratified" ? Subset::stratified : Subset::first,
          .image_size = data.image_size};
}

std::shared_ptr<const Images> ImageCache::get(const Dataset& dataset, const Selection& selection,
                                              const std::string& root) {
  const std::string key = fmt::format(
      "{} {} {} {} {} {}", dataset.name, to_string(selection.split), selection.images.value_or(-1),
      static_cast<int>(selection.subset), selection.image_size.value_or(0), root);
  if (const auto it = images_.find(key); it != images_.end()) return it->second;
  if (images_.size() >= kKept) images_.clear();
  return images_[key] = std::make_shared<const Images>(load_images(dataset, selection, root));
}

}  // namespace bitsweep::data
