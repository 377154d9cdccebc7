#include "config/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "config/presets.h"
#include "core/check.h"
#include "core/error.h"
#include "core/text.h"

namespace bitsweep::config {
namespace {

KeyIndex preset_key() {
  static const KeyIndex key = require_key("quant.preset", "the table of keys");
  return key;
}

KeyIndex scheme_key() {
  static const KeyIndex key = require_key("quant.scheme", "the table of keys");
  return key;
}

// Evaluates an expression whose names are positions in schema().
bool holds(const Expression& expression, const std::vector<KeyIndex>& names,
           const Settings& settings) {
  constexpr std::size_t kMaxNames = 8;
  std::array<const Value*, kMaxNames> values;
  BITSWEEP_CHECK(names.size() <= kMaxNames, "the condition '{}' has {} names", expression.text(),
                 names.size());
  for (std::size_t i = 0; i < names.size(); ++i) values[i] = &settings.get(names[i]);
  return expression.evaluate(std::span(values.data(), names.size()));
}

}  // namespace

Assignment assignment(std::string_view key, Value value, const Place& place,
                      const std::filesystem::path& folder) {
  const KeyIndex position = require_key(key, place);
  if (value.is_set()) value = checked_value(schema()[position], std::move(value), place);
  return {position, std::move(value), std::make_shared<const Place>(place),
          folder.empty() ? nullptr : std::make_shared<const std::filesystem::path>(folder)};
}

Settings::Settings() : explicit_(schema().size()) {}

void Settings::set(std::string_view key, Value value, const Place& place,
                   const std::filesystem::path& folder) {
  apply(assignment(key, std::move(value), place, folder));
}

void Settings::apply(const Assignment& assignment) {
  explicit_[assignment.key] =
      assignment.value.is_set() ? std::make_shared<const Assignment>(assignment) : nullptr;
  if (assignment.key == preset_key()) {
    const auto* name = assignment.value.as<std::string>();
    preset_ = name ? &bound_preset(*name) : nullptr;
  }
}

void Settings::unset(std::string_view key) { set(key, Value(), "unset"); }

const Value& Settings::get(std::string_view key) const { return get(require_key(key, "settings")); }

const Value& Settings::get(KeyIndex key) const {
  if (explicit_[key]) return explicit_[key]->value;
  if (const Value* value = preset_value(key)) return *value;
  return fallback(key);
}

const Value& Settings::fallback(KeyIndex key) const {
  const Key& row = schema()[key];
  if (row.by_scheme.empty()) return row.fallback;
  const SchemeWords* words = words_under(row, scheme());
  return words ? words->fallback : row.fallback;
}

const std::string& Settings::scheme() const { return *get(scheme_key()).as<std::string>(); }

const Value* Settings::preset_value(KeyIndex key) const {
  if (preset_ == nullptr || preset_->of_key[key].empty()) return nullptr;
  if (scheme() != preset_->scheme) return nullptr;
  for (const BoundRule& rule : preset_->of_key[key]) {
    if (!rule.when || holds(*rule.when, rule.when_names, *this)) return &rule.value;
  }
  return nullptr;
}

bool Settings::is_explicit(std::string_view key) const {
  return is_explicit(require_key(key, "settings"));
}

Place Settings::place_of(std::string_view key) const {
  const KeyIndex position = require_key(key, "settings");
  if (is_explicit(position)) return *explicit_[position]->place;
  if (preset_value(position)) return "preset " + format_bare(get(preset_key()));
  return "default";
}

const std::filesystem::path& Settings::folder_of(std::string_view key) const {
  static const std::filesystem::path none;
  const KeyIndex position = require_key(key, "settings");
  return is_explicit(position) && explicit_[position]->folder ? *explicit_[position]->folder : none;
}

nlohmann::json Settings::to_json() const {
  auto out = nlohmann::json::object();
  for (KeyIndex key = 0; key < explicit_.size(); ++key) {
    out[schema()[key].name] = config::to_json(get(key));
  }
  auto& rules = out["layer"] = nlohmann::json::array();
  for (const LayerRule& layer : layers) {
    nlohmann::json rule = {{"match", layer.match}};
    for (const auto& [key, value] : layer.overrides) rule[key] = config::to_json(value);
    rules.push_back(std::move(rule));
  }
  return out;
}

Settings Settings::from_json(const nlohmann::json& flat) {
  const Place place = "stored configuration";
  if (!flat.is_object()) throw ConfigError(place + ": expected a JSON object of dotted keys");
  Settings out;
  for (const auto& [key, value] : flat.items()) {
    if (key == "layer") continue;
    out.set(key, value_from_json(value), place);
  }
  const auto rules = flat.find("layer");
  if (rules == flat.end()) return out;
  if (!rules->is_array()) throw ConfigError(place + ": expected a list of layer rules");
  for (const auto& rule : *rules) {
    if (!rule.is_object() || !rule.contains("match") || !rule["match"].is_string()) {
      throw ConfigError(place + ": a layer rule without its match");
    }
    std::vector<Assignment> overrides;
    for (const auto& [key, value] : rule.items()) {
      if (key == "match") continue;
      overrides.push_back(assignment("quant." + key, value_from_json(value), place));
    }
    out.layers.push_back(layer_rule(rule["match"], std::move(overrides), place));
  }
  return out;
}

std::vector<RegistryName> registry_names(const Settings& settings) {
  static const std::vector<KeyIndex> keys = [] {
    std::vector<KeyIndex> out;
    for (KeyIndex key = 0; key < schema().size(); ++key) {
      if (schema()[key].type == Type::name) out.push_back(key);
    }
    return out;
  }();
  std::vector<RegistryName> out;
  for (const KeyIndex key : keys) {
    if (const auto* name = settings.get(key).as<std::string>()) {
      out.push_back({schema()[key].family, key, *name});
    }
  }
  return out;
}

std::vector<bool> evaluate_conditions(const Settings& settings) {
  const Conditions& table = conditions();
  std::vector<bool> out(table.distinct.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = holds(table.distinct[i], table.names[i], settings);
  }
  return out;
}

bool is_used(KeyIndex key, const std::vector<bool>& held) {
  const int condition = conditions().of_key[key];
  return condition < 0 || held[static_cast<std::size_t>(condition)];
}

}  // namespace bitsweep::config
