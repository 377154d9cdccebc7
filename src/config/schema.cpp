#include "config/schema.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "config/keys.h"
#include "core/check.h"
#include "core/error.h"
#include "core/text.h"

namespace bitsweep::config {
namespace {

std::vector<Key> sorted_rows() {
  std::vector<Key> keys = key_rows();
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) { return a.name < b.name; });
  return keys;
}

// What stands directly inside the innermost existing table that `name` points into: keys, and
// tables with a trailing dot and star.
std::vector<std::string> neighbours(std::string_view name) {
  std::string table;  // with its dot; "" the top level
  const auto is_in_table = [&](const std::string& key) { return key.starts_with(table); };
  do {
    const auto dot = name.rfind('.');
    name = dot == std::string_view::npos ? std::string_view() : name.substr(0, dot);
    table = name.empty() ? "" : fmt::format("{}.", name);
  } while (!table.empty() && std::ranges::none_of(key_names(), is_in_table));
  std::vector<std::string> out;
  for (const std::string& key : key_names()) {
    if (!is_in_table(key)) continue;
    const auto dot = key.find('.', table.size());
    std::string shown = dot == std::string::npos ? key : key.substr(0, dot) + ".*";
    if (out.empty() || out.back() != shown) out.push_back(std::move(shown));
  }
  return out;
}

Conditions parse_conditions() {
  Conditions out;
  std::map<std::string, int> seen;
  for (const Key& key : schema()) {
    if (key.used_when.empty()) {
      out.of_key.push_back(-1);
      continue;
    }
    const auto [it, is_new] =
        seen.try_emplace(key.used_when, static_cast<int>(out.distinct.size()));
    out.of_key.push_back(it->second);
    if (!is_new) continue;
    out.distinct.push_back(Expression::parse(key.used_when, "the table of keys", key_names()));
    auto& names = out.names.emplace_back();
    for (const std::string& name : out.distinct.back().names()) names.push_back(*find_key(name));
  }
  return out;
}

}  // namespace

std::span<const Key> schema() {
  static const std::vector<Key> keys = sorted_rows();
  return keys;
}

std::optional<KeyIndex> find_key(std::string_view name) {
  static const std::unordered_map<std::string_view, KeyIndex> positions = [] {
    std::unordered_map<std::string_view, KeyIndex> out;
    for (KeyIndex i = 0; i < schema().size(); ++i) {
      const bool is_new = out.emplace(schema()[i].name, i).second;
      BITSWEEP_CHECK(is_new, "key '{}' stands in the table twice", schema()[i].name);
    }
    return out;
  }();
  const auto it = positions.find(name);
  if (it == positions.end()) return std::nullopt;
  return it->second;
}

KeyIndex require_key(std::string_view name, std::string_view place) {
  if (const auto key = find_key(name)) return *key;
  const auto near = nearest_name(name, key_names());
  throw ConfigError(fmt::format("{}: unknown key '{}'{}; known here: {}", place, name,
                                near ? fmt::format(" (did you mean '{}'?)", *near) : "",
                                join(neighbours(name), ", ")));
}

const std::vector<std::string>& key_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> out;
    for (const Key& key : schema()) out.push_back(key.name);
    return out;
  }();
  return names;
}

const SchemeWords* words_under(const Key& key, std::string_view scheme) {
  const auto it = std::ranges::find(key.by_scheme, scheme, &SchemeWords::scheme);
  return it == key.by_scheme.end() ? nullptr : &*it;
}

std::string default_text(const Key& key) {
  if (!key.fallback.is_set()) return "";
  std::string out = format_value(key.fallback);
  for (const SchemeWords& scheme : key.by_scheme) {
    if (scheme.fallback == key.fallback) continue;
    out += fmt::format("; {} with scheme {}", format_value(scheme.fallback), scheme.scheme);
  }
  return out;
}

const Conditions& conditions() {
  static const Conditions parsed = parse_conditions();
  return parsed;
}

}  // namespace bitsweep::config
