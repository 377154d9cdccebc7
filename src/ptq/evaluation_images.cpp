#include "ptq/evaluation_images.h"

#include "data/split.h"

namespace bitsweep::ptq {
namespace {

data::Images chosen(const data::Images& images, std::span<const std::int64_t> positions) {
  const data::ImageShape& shape = images.shape;
  const std::int64_t bytes = shape.channels * shape.height * shape.width;
  data::Images out;
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

std::shared_ptr<const data::Images> evaluation_images(const config::TrialConfig& config,
                                                      const data::Dataset& dataset,
                                                      data::ImageCache& cache) {
  if (config.eval.split == config::EvalSplit::test) {
    return cache.get(dataset, data::selection_of(config.data, data::Split::test), config.data.root);
  }
  const auto train =
      cache.get(dataset, data::selection_of(config.data, data::Split::train), config.data.root);
  const data::TrainSplit split = data::split_validation(*train, *config.data.validation_images);
  return std::make_shared<const data::Images>(chosen(*train, split.validation));
}

}  // namespace bitsweep::ptq
