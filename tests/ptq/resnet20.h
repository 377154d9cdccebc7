// The trial that these tests vary: ResNet20 with its carried weights on the carried images.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.h"

namespace bitsweep::testing {

using Keys = std::vector<std::pair<std::string, config::Value>>;

// Later keys stand over earlier ones.
inline config::Settings resnet20(const Keys& of_the_file, const Keys& of_the_test) {
  const Keys common = {{"model.name", "resnet20"},
                       {"model.shortcut", "A"},
                       {"model.weights", "experiments/weights/resnet20_a_akamaster.safetensors"},
                       {"data.name", "cifar10_small"},
                       {"data.normalize", "imagenet"},
                       {"quant.scheme", "aciq"}};
  config::Settings out;
  for (const Keys& keys : {common, of_the_file, of_the_test}) {
    for (const auto& [key, value] : keys) out.set(key, value, "test");
  }
  return out;
}

}  // namespace bitsweep::testing
