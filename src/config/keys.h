// The rows of the table of keys, as data. config/schema.h is what others read.
#pragma once

#include <vector>

#include "config/schema.h"

namespace bitsweep::config {

// In the order of docs/config.md.
std::vector<Key> key_rows();

}  // namespace bitsweep::config
