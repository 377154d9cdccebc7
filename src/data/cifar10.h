// What CIFAR-10 and the subset that the repository carries have in common.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"

namespace bitsweep::data {

const std::vector<std::string>& cifar10_classes();

}  // namespace bitsweep::data
