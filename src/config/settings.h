// A trial's configuration as values of known keys: the form in which sweeps combine, override, hash
// and store it. What keys there are stands in config/schema.h.
#pragma once

#include <filesystem>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/schema.h"
#include "config/value.h"

namespace bitsweep::config {

struct BoundPreset;

// Where a value was set, for messages ("sweeps/x.toml:7:21", "command line"). Never part of
// identity.
using Place = std::string;

// A checked value for one key, ready to be applied to many settings, which share its place.
struct Assignment {
  KeyIndex key = 0;
  Value value;
  std::shared_ptr<const Place> place;                   // never null
  std::shared_ptr<const std::filesystem::path> folder;  // of the file it stands in; null: none
};

// Throws ConfigError for an unknown key, a wrong type or a value out of range, with `place`, the
// value, what was expected and the nearest known name. Words that a later version will know pass;
// check_available refuses them.
Assignment assignment(std::string_view key, Value value, const Place& place,
                      const std::filesystem::path& folder = {});

// One rule of [[layer]]: the first whose anchored regular expression (ECMAScript) matches a layer's
// name wins.
struct LayerRule {
  std::string match;
  std::vector<std::pair<std::string, Value>> overrides;  // "weight.bits" → 8, sorted by key
  Place place;
};

// Throws ConfigError for a pattern that is no regular expression, a key other than those of
// quant.weight and quant.activation (written without `quant.`), or a value that its key refuses.
// Without overrides the rule would do nothing: an error, too.
LayerRule layer_rule(std::string match, std::vector<Assignment> overrides, const Place& place);

class Settings {
 public:
  // Every key unset: its default applies.
  Settings();

  // assignment() and apply() in one. A value of monostate unsets.
  void set(std::string_view key, Value value, const Place& place,
           const std::filesystem::path& folder = {});
  void apply(const Assignment& assignment);
  void unset(std::string_view key);

  // The value that applies: explicit, else the preset's, else the default; monostate where none
  // exists. The reference lives until these settings change. Throws ConfigError for an unknown key.
  const Value& get(std::string_view key) const;
  const Value& get(KeyIndex key) const;

  // What applies where neither the settings nor a preset say anything: the key's default, under
  // this scheme.
  const Value& fallback(KeyIndex key) const;

  bool is_explicit(std::string_view key) const;
  bool is_explicit(KeyIndex key) const { return explicit_[key] != nullptr; }
  // Where it was set, "default" or "preset NAME".
  Place place_of(std::string_view key) const;
  // Folder of the file in which a path was written; empty where it came from the command line.
  const std::filesystem::path& folder_of(std::string_view key) const;

  std::vector<LayerRule> layers;

  // Flat dotted keys, defaults included, unset null: {"model.name": "resnet20", …,
  // "layer": [{"match": …, "weight.bits": 8}]}. What the store, `query` and run folders hold.
  nlohmann::json to_json() const;
  // The values become explicit; keys that are absent or null stay unset.
  static Settings from_json(const nlohmann::json& flat);

 private:
  const std::string& scheme() const;
  const Value* preset_value(KeyIndex key) const;

  // By position in schema(), null where unset. Shared between copies: a sweep copies its base ten
  // thousand times and changes a few keys of each.
  std::vector<std::shared_ptr<const Assignment>> explicit_;
  const BoundPreset* preset_ = nullptr;
};

// The value of each name that a registry of a later room must know, to be checked there.
struct RegistryName {
  std::string family;  // "model", "data set", "scheme"
  KeyIndex key = 0;
  std::string name;
};
std::vector<RegistryName> registry_names(const Settings& settings);

// Throws ConfigError for what this version knows but cannot do yet, with the place.
void check_available(const Settings& settings);

// For each distinct condition of the table of keys, whether it holds here.
std::vector<bool> evaluate_conditions(const Settings& settings);
// Whether the key has an effect; `held` from evaluate_conditions.
bool is_used(KeyIndex key, const std::vector<bool>& held);

}  // namespace bitsweep::config
