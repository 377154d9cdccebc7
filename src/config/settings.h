// A trial's configuration as values of known keys: the form in which sweeps combine, override, hash
// and store it. The table of keys (config/schema.h) is the only place where a key's name, type,
// default and range stand; validation, help, docs/config.md and the database columns come from it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace bitsweep::config {

struct Value;
using List = std::vector<Value>;
// std::monostate: unset. Numbers keep integer and real apart as written; a key of real type stores a
// double whatever the spelling, so that `1` and `1.0` are one value.
struct Value : std::variant<std::monostate, bool, std::int64_t, double, std::string, List> {
  using variant::variant;
  bool is_set() const { return index() != 0; }
};

// One rule of [[layer]]: the first whose anchored regular expression matches a layer's name wins.
struct LayerRule {
  std::string match;
  std::vector<std::pair<std::string, Value>> overrides;  // "weight.bits" → 8, sorted by key
  std::string place;                                     // "file:line:column", for messages only
};

// Where a value was set, for messages ("sweeps/x.toml:7:21", "command line"). Never part of identity.
using Place = std::string;

class Settings {
 public:
  // Every key unset (its default applies).
  Settings();

  // Throws ConfigError for an unknown key, a wrong type or a value out of range, with `place`, the
  // value, what was expected and the nearest known key.
  void set(std::string_view key, Value value, const Place& place);
  void unset(std::string_view key);

  // The value that applies: explicit, else preset's, else default; monostate where none exists.
  const Value& get(std::string_view key) const;
  bool is_explicit(std::string_view key) const;
  const Place& place_of(std::string_view key) const;

  std::vector<LayerRule> layers;

  // Flat dotted keys, defaults included, unset null: {"model.name": "resnet20", …,
  // "layer": [{"match": …, "weight.bits": 8}]}. What the store, `query` and run folders hold.
  nlohmann::json to_json() const;
  static Settings from_json(const nlohmann::json& flat);

 private:
  std::vector<Value> values_;   // by position in schema()
  std::vector<Place> places_;
};

// The canonical form (sorted keys, defaults and unused keys left out, devices left out, every path
// replaced by the SHA-256 of what it points to) and its SHA-256: a trial's identity.
// `path_digests`: key → digest for the keys that hold paths and for data sets.
struct Identity {
  std::string canonical;  // JSON text
  std::string key;        // 64 hexadecimal digits
  std::vector<std::string> unused_keys;  // set, but without effect here (a lint)
};

}  // namespace bitsweep::config
