// `bitsweep query --sql`: a statement of anybody's on the database, which can read it and nothing
// else.
#pragma once

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace bitsweep::store {

struct SqlResult {
  std::vector<std::string> columns;
  std::vector<std::vector<nlohmann::json>> rows;  // blobs as hexadecimal digits
};

// One SELECT (WITH, VALUES) on a connection of its own that is read-only and allows reading tables
// and calling functions alone: no ATTACH, PRAGMA, writing or extension. Throws ConfigError for a
// statement that is wrong or not allowed, StoreError where it takes longer than `limit`, and what
// Store::open throws.
SqlResult run_sql(const std::filesystem::path& database, const std::string& sql,
                  std::chrono::milliseconds limit);

}  // namespace bitsweep::store
