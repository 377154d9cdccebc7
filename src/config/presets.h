// quant.preset: settings of a published document by name. A preset stands just above the defaults:
// whatever a file, an axis or the command line sets explicitly wins over it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/schema.h"

namespace bitsweep::config {

struct PresetRule {
  std::string key;
  Value value;
  std::string when;  // an expression over the effective values of other keys; "" always
};

struct Preset {
  std::string name;
  std::string scheme;             // has no effect under another
  std::string source;             // document and section
  std::vector<PresetRule> rules;  // the first whose condition holds gives the key's value
};

const std::vector<Preset>& presets();
std::vector<std::string> preset_names();

// A rule made ready for lookup by key position.
struct BoundRule {
  Value value;
  std::optional<Expression> when;
  std::vector<KeyIndex> when_names;
};
struct BoundPreset {
  std::string scheme;
  std::vector<std::vector<BoundRule>> of_key;  // by position in schema()
};
// Throws ConfigError for an unknown name.
const BoundPreset& bound_preset(std::string_view name);

}  // namespace bitsweep::config
