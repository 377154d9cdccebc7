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
  std::string scheme;                    // has no effect under `none`; an error under another
  std::string source;                    // document and section
  std::vector<PresetRule> rules;         // the first whose condition holds gives the key's value
  std::vector<std::string> models = {};  // that it has settings for; empty: any
};

const std::vector<Preset>& presets();
std::vector<std::string> preset_names();
// Throws ConfigError for an unknown name.
const Preset& preset_named(std::string_view name);
// Document 002's (presets_dorefa_pact.cpp).
std::vector<Preset> dorefa_pact_presets();

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
// As preset_named().
const BoundPreset& bound_preset(std::string_view name);

}  // namespace bitsweep::config
