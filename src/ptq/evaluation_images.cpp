#include "ptq/evaluation_images.h"

namespace bitsweep::ptq {

std::shared_ptr<const data::Images> evaluation_images(const config::TrialConfig& config,
                                                      const data::Dataset& dataset,
                                                      data::ImageCache& cache) {
  if (config.eval.split == config::EvalSplit::test) {
    return cache.get(dataset, data::selection_of(config.data, data::Split::test), config.data.root);
  }
  const data::Selection training = data::selection_of(config.data, data::Split::train);
  return cache.validation(dataset, training, config.data.root, *config.data.validation_images);
}

}  // namespace bitsweep::ptq
