// The images that a post-training trial is evaluated on (eval.split).
#pragma once

#include <memory>

#include "config/trial.h"
#include "data/dataset.h"
#include "data/image_cache.h"

namespace bitsweep::ptq {

// The test images, or the validation images of the training set (data/split.h), in file order: one
// object for trials that read the same.
// Throws ConfigError where there are too few, DataError for missing or damaged files.
std::shared_ptr<const data::Images> evaluation_images(const config::TrialConfig& config,
                                                      const data::Dataset& dataset,
                                                      data::ImageCache& cache);

}  // namespace bitsweep::ptq
