// Decoded images that a worker keeps from one trial to the next.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "config/trial.h"
#include "data/dataset.h"

namespace bitsweep::data {

// The images of a split that a trial's `data` asks for.
Selection selection_of(const config::DataConfig& data, Split split);

// Equal selections are one object for as long as anybody holds it, so that trials can tell by the
// pointer whether they read the same images. The last few are held here.
class ImageCache {
 public:
  using Shared = std::shared_ptr<const Images>;

  // As load_images(), read once.
  Shared get(const Dataset& dataset, const Selection& selection, const std::string& root);

  // The `images` validation images of a training selection (split_validation), in file order.
  // Throws as get() and split_validation().
  Shared validation(const Dataset& dataset, const Selection& training, const std::string& root,
                    std::int64_t images);

 private:
  Shared known_or(const std::string& key, const std::function<Images()>& make);

  std::map<std::string, std::weak_ptr<const Images>> known_;
  std::vector<Shared> held_;  // the last one used at the end
};

}  // namespace bitsweep::data
