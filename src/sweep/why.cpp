#include "sweep/why.h"

#include <set>

namespace bitsweep::sweep {
namespace {

using nlohmann::json;

json value_at(const json& object, const std::string& key) {
  const auto it = object.find(key);
  return it == object.end() ? json() : *it;
}

// Keys whose canonical values differ.
std::set<std::string> differing_keys(const json& a, const json& b) {
  std::set<std::string> keys;
  for (const auto& [key, value] : a.items()) {
    const auto other = b.find(key);
    if (other == b.end() || *other != value) keys.insert(key);
  }
  for (const auto& [key, value] : b.items()) {
    if (!a.contains(key)) keys.insert(key);
  }
  return keys;
}

}  // namespace

std::optional<Nearest> nearest_changed(const config::Settings& settings,
                                       const config::Identity& identity,
                                       std::span<const KnownTrial> known) {
  const json after = json::parse(identity.canonical);
  const KnownTrial* nearest = nullptr;
  json nearest_canonical;
  std::set<std::string> changed;
  for (const KnownTrial& trial : known) {
    json before = json::parse(trial.canonical);
    std::set<std::string> keys = differing_keys(before, after);
    if (nearest != nullptr && keys.size() >= changed.size()) continue;
    nearest = &trial;
    nearest_canonical = std::move(before);
    changed = std::move(keys);
  }
  if (nearest == nullptr) return std::nullopt;
  Nearest out{nearest->key, {}};
  const json flat = settings.to_json();
  for (const std::string& key : changed) {
    Change change{key, value_at(nearest->config, key), value_at(flat, key)};
    if (change.before == change.after) {
      change.before = value_at(nearest_canonical, key);
      change.after = value_at(after, key);
    }
    out.changes.push_back(std::move(change));
  }
  return out;
}

}  // namespace bitsweep::sweep
