// The 1,000 classes of ILSVRC2012 in label order, which is the order of their WordNet ids:
// src/data/imagenet_classes.txt.
#pragma once

#include <string>
#include <vector>

namespace bitsweep::data {

struct ImagenetClasses {
  std::vector<std::string> ids;    // "n01440764"
  std::vector<std::string> names;  // "tench"
};

const ImagenetClasses& imagenet_classes();

}  // namespace bitsweep::data
