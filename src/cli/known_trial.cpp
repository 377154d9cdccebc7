#include "cli/known_trial.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"
#include "store/store.h"

namespace bitsweep::cli {
namespace {

namespace fs = std::filesystem;

KnownTrial choose(store::TrialRecord trial, const std::vector<store::AttemptRecord>& attempts) {
  for (auto it = attempts.rbegin(); it != attempts.rend(); ++it) {
    if (it->status == store::Status::ok) return {std::move(trial), *it};
  }
  throw ConfigError(fmt::format("{}: has no successful attempt to compare with",
                                trial.memberships.empty() ? trial.key : trial.memberships[0].name));
}

// Works where the database is gone.
KnownTrial from_report(const std::string& folder, const std::string& cell) {
  const fs::path file = fs::is_directory(folder) ? fs::path(folder) / "trials.jsonl"
                                                 : fs::path(folder).parent_path() / "trials.jsonl";
  std::ifstream lines(file);
  if (!lines) throw DataError(fmt::format("{}: cannot be read", file.string()));
  std::vector<std::string> keys;
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, false);
    auto [trial, attempts] = store::trial_with_attempts_from_json(json);
    const bool is_cell = json.value("cell", std::string()) == cell;
    if (is_cell || (cell.size() >= 4 && trial.key.rfind(cell, 0) == 0)) {
      return choose(std::move(trial), attempts);
    }
    keys.push_back(trial.key.substr(0, 12));
  }
  throw ConfigError(fmt::format("{} has no cell or trial '{}'; its trials: {}", file.string(), cell,
                                join(keys, ", ")));
}

}  // namespace

KnownTrial find_known_trial(const std::string& id, const std::string& database) {
  const auto hash = id.find('#');
  if (hash != std::string::npos) return from_report(id.substr(0, hash), id.substr(hash + 1));
  const auto store = store::Store::open(database, store::Access::read);
  const std::string key = store.find_trial(id);
  return choose(store.trial(key), store.attempts(key));
}

}  // namespace bitsweep::cli
