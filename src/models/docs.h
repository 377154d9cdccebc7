// The generated page docs/models.md: every network with its source, size and options.
#pragma once

#include <string>

namespace bitsweep::models {

std::string models_page();

}  // namespace bitsweep::models
