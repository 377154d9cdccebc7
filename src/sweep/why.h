// `plan --why`: why a trial is not the one that ran before, down to the key that changed.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/identity.h"
#include "config/settings.h"

namespace bitsweep::sweep {

// A trial that the database knows.
struct KnownTrial {
  std::string key;
  std::string canonical;  // JSON text whose SHA-256 the key is
  nlohmann::json config;  // flat (Settings::to_json)
};

struct Change {
  std::string key;        // "quant.weight.bits", "layer"
  nlohmann::json before;  // effective values; where a path stayed and its content changed, digests
  nlohmann::json after;
};

struct Nearest {
  std::string key;              // of the known trial
  std::vector<Change> changes;  // sorted by key; empty where it is the very same trial
};

// The known trial from which the fewest keys that count for identity changed, the first of equals;
// nothing where none is known.
std::optional<Nearest> nearest_changed(const config::Settings& settings,
                                       const config::Identity& identity,
                                       std::span<const KnownTrial> known);

}  // namespace bitsweep::sweep
