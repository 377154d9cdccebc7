// Texts by which configurations that agree in some keys are recognised, so that what those keys
// decide is worked out once for all of them.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"

namespace bitsweep::sweep {

std::vector<config::KeyIndex> keys_where(const std::function<bool(std::string_view name)>& wanted);

// What is set explicitly among `keys` (which decides presets and defaults, too), and the layer
// rules.
std::string fingerprint(const config::Settings& settings,
                        const std::vector<config::KeyIndex>& keys);

}  // namespace bitsweep::sweep
