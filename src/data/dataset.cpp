#include "data/dataset.h"

#include <algorithm>
#include <numeric>

#include "core/error.h"
#include "data/cifar_records.h"
#include "data/jpeg_split.h"
#include "data/pixel_file.h"
#include "data/source.h"

namespace bitsweep::data {
namespace {

// The first `count` images of a split, or all of them.
Images load_prefix(const Dataset& dataset, Split split, std::int64_t count,
                   const std::string& root) {
  Images out;
  out.shape = dataset.shape;
  out.pixels.reserve(static_cast<std::size_t>(count * dataset.shape.elements()));
  const auto record_bytes = static_cast<std::uint64_t>(dataset.record_bytes());
  for (const RecordFile& file : dataset.split(split).files) {
    const std::int64_t wanted = std::min(file.images, count - out.count());
    if (wanted == 0) break;
    const Source source = require_file(dataset, file, root);
    // One record more than belongs there, so that a file that is too long is described as such.
    const std::uint64_t limit = record_bytes * (static_cast<std::uint64_t>(file.images) + 1);
    append_records(read_source(source, limit), file, dataset, wanted, describe(source), out);
  }
  return out;
}

Images pick(const Images& all, const std::vector<std::int64_t>& chosen) {
  Images out;
  out.shape = all.shape;
  const std::int64_t size = all.shape.elements();
  for (const std::int64_t i : chosen) {
    out.labels.push_back(all.labels[static_cast<std::size_t>(i)]);
    out.pixels.insert(out.pixels.end(), all.pixels.begin() + i * size,
                      all.pixels.begin() + (i + 1) * size);
  }
  return out;
}

}  // namespace

std::string to_string(Split split) { return split == Split::train ? "train" : "test"; }

std::int64_t SplitFiles::images() const {
  return std::accumulate(
      files.begin(), files.end(), std::int64_t{0},
      [](std::int64_t sum, const RecordFile& file) { return sum + file.images; });
}

ImageShape shape_of(const Dataset& dataset, std::optional<std::int64_t> image_size,
                    std::optional<std::int64_t> network_edge) {
  ImageShape out = dataset.shape;
  if (dataset.storage == Storage::jpeg) {
    out.height = out.width = image_size.value_or(network_edge.value_or(out.height));
    return out;
  }
  if (!image_size) return out;
  if (*image_size != out.height || *image_size != out.width) {
    throw ConfigError(
        fmt::format("data.image_size = {}: images of data set '{}' are {} x {} and "
                    "are not scaled",
                    *image_size, dataset.name, out.height, out.width));
  }
  return out;
}

const std::uint8_t* Images::image(std::int64_t i) const {
  return file ? file->image(rows[static_cast<std::size_t>(i)])
              : pixels.data() + i * shape.elements();
}

std::vector<std::int64_t> choose(std::span<const std::int32_t> labels, std::int64_t num_classes,
                                 std::int64_t images, Subset subset) {
  std::vector<std::int64_t> out;
  if (subset == Subset::first) {
    out.resize(static_cast<std::size_t>(images));
    std::iota(out.begin(), out.end(), 0);
    return out;
  }
  std::vector<std::int64_t> left(static_cast<std::size_t>(num_classes), images / num_classes);
  for (std::int64_t k = 0; k < images % num_classes; ++k) ++left[static_cast<std::size_t>(k)];
  for (std::size_t i = 0; i < labels.size(); ++i) {
    std::int64_t& wanted = left[static_cast<std::size_t>(labels[i])];
    if (wanted == 0) continue;
    --wanted;
    out.push_back(static_cast<std::int64_t>(i));
  }
  for (std::size_t k = 0; k < left.size(); ++k) {
    if (left[k] == 0) continue;
    throw ConfigError(fmt::format("a stratified subset of {} images needs {} more of class {}",
                                  images, left[k], k));
  }
  return out;
}

Images load_images(const Dataset& dataset, const Selection& selection, const std::string& root) {
  const std::int64_t available = dataset.split(selection.split).images();
  const std::int64_t images = selection.images.value_or(available);
  if (images < 1 || images > available) {
    throw ConfigError(fmt::format("data set '{}': {} {} images asked for, it has {}", dataset.name,
                                  images, to_string(selection.split), available));
  }
  static_cast<void>(shape_of(dataset, selection.image_size));
  if (dataset.storage == Storage::jpeg) return load_jpeg_images(dataset, selection, root);
  if (selection.subset == Subset::first || images == available) {
    return load_prefix(dataset, selection.split, images, root);
  }
  const Images all = load_prefix(dataset, selection.split, available, root);
  return pick(all, choose(all.labels, dataset.num_classes(), images, selection.subset));
}

}  // namespace bitsweep::data
