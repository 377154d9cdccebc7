// Decoded images that a worker keeps from one trial to the next.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "config/trial.h"
#include "data/dataset.h"

namespace bitsweep::data {

// The images of a split that a trial's `data` asks for.
Selection selection_of(const config::DataConfig& data, Split split);

class ImageCache {
 public:
  // As load_images(), read once. A few selections are kept; all are let go when another comes.
  std::shared_ptr<const Images> get(const Dataset& dataset, const Selection& selection,
                                    const std::string& root);

 private:
  std::map<std::string, std::shared_ptr<const Images>> images_;
};

}  // namespace bitsweep::data
