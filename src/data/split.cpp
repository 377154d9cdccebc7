#include "data/split.h"

#include <algorithm>

#include "core/error.h"
#include "data/order.h"

namespace bitsweep::data {

TrainSplit split_validation(const Images& images, std::int64_t n) {
  const std::int64_t count = images.count();
  if (n < 0 || (n > 0 && n >= count)) {
    throw ConfigError(fmt::format(
        "data.validation_images = {}: expected fewer than the {} training images", n, count));
  }
  if (n == 0) return {file_order(count), {}};
  // The last of each class are the first of the reversed file.
  const std::vector<std::int32_t> reversed(images.labels.rbegin(), images.labels.rend());
  const std::int64_t classes = 1 + *std::ranges::max_element(reversed);
  TrainSplit out;
  for (const std::int64_t i : choose(reversed, classes, n, Subset::stratified))
    out.validation.push_back(count - 1 - i);
  std::ranges::reverse(out.validation);
  std::ranges::set_difference(file_order(count), out.validation, std::back_inserter(out.training));
  return out;
}

}  // namespace bitsweep::data
