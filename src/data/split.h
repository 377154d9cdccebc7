// Validation images: some of the training images that training leaves out.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace bitsweep::data {

// Positions of a training split, each ascending (file order); together every image once.
struct TrainSplit {
  std::vector<std::int64_t> training;
  std::vector<std::int64_t> validation;
};

// `data.validation_images` of the training images: the last of each class in equal shares (the
// lowest classes get what is left over), whatever the seed, so that every trial of a sweep is
// compared on the same ones. 0 leaves all to training. Throws ConfigError where n is negative or
// leaves no image, or where a class has too few.
TrainSplit split_validation(const Images& images, std::int64_t n);

}  // namespace bitsweep::data
