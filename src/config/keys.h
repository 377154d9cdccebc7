// The rows of the table of keys, as data. config/schema.h is what others read.
#pragma once

#include <string>
#include <vector>

#include "config/schema.h"

namespace bitsweep::config {

// In the order of docs/config.md.
std::vector<Key> key_rows();

// The rows of one part of the table, for key_rows().
void add_train_keys(std::vector<Key>& keys);
void add_dorefa_pact_keys(std::vector<Key>& keys);
void add_refinement_keys(std::vector<Key>& keys);

inline constexpr double kMaxCount = 9007199254740992.0;  // 2^53: exact as a real, too
inline constexpr const char* kTrains = "kind == \"train\"";
inline constexpr const char* kDorefaPact = "quant.scheme == \"dorefa_pact\"";

// A number of things, at least 1.
Key count_key(std::string name, Value fallback, std::string used_when, std::string doc);

}  // namespace bitsweep::config
