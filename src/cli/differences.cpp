#include "cli/differences.h"

#include <iterator>

namespace bitsweep::cli {
namespace {

using nlohmann::json;

std::vector<Difference> compare_objects(const json& before, const json& after) {
  json keys = before;
  keys.update(after);
  std::vector<Difference> out;
  for (const auto& [key, unused] : keys.items()) {
    const json a = before.value(key, json());
    const json b = after.value(key, json());
    if (a != b) out.push_back({key, a.dump(), b.dump()});
  }
  return out;
}

json numeric_fingerprint(const store::AttemptRecord& attempt) {
  json out = attempt.fingerprint;
  for (const char* name : {"bitsweep_version", "command", "git_revision", "git_patch",
                           "git_patch_sha256", "cpu", "cores", "memory_bytes", "system"}) {
    out.erase(name);
  }
  return out;
}

}  // namespace

json results_of(const store::AttemptRecord& attempt) {
  json out = attempt.finals;
  out.erase("peak_memory_bytes");
  for (auto it = out.begin(); it != out.end();) {
    const bool is_time = it.key().ends_with("seconds") || it.key().ends_with("images_per_second");
    it = is_time ? out.erase(it) : std::next(it);
  }
  for (const store::Bitmap& bitmap : attempt.bitmaps) {
    out["bitmap." + bitmap.evaluation] = bitmap.sha256;
  }
  if (!attempt.state_sha256.empty()) out["state_sha256"] = attempt.state_sha256;
  return out;
}

std::vector<Difference> compare_results(const store::AttemptRecord& before,
                                        const store::AttemptRecord& after) {
  const json recorded = results_of(before);
  json again = results_of(after);
  for (const std::string& name : new_results(before, after)) again.erase(name);
  return compare_objects(recorded, again);
}

std::vector<std::string> new_results(const store::AttemptRecord& before,
                                     const store::AttemptRecord& after) {
  const json recorded = results_of(before), again = results_of(after);
  std::vector<std::string> out;
  for (const auto& [name, unused] : again.items()) {
    if (!recorded.contains(name)) out.push_back(name);
  }
  return out;
}

std::vector<Difference> compare_fingerprints(const store::AttemptRecord& before,
                                             const store::AttemptRecord& after) {
  return compare_objects(numeric_fingerprint(before), numeric_fingerprint(after));
}

std::vector<EpochDifferences> compare_epochs(const store::AttemptRecord& before,
                                             const store::AttemptRecord& after) {
  std::vector<EpochDifferences> out;
  for (std::size_t i = 0; i < after.epochs.size(); ++i) {
    const json recorded = i < before.epochs.size() ? before.epochs[i] : json::object();
    EpochDifferences epoch{static_cast<std::int64_t>(i) + 1,
                           compare_objects(recorded, after.epochs[i])};
    if (!epoch.differences.empty()) out.push_back(std::move(epoch));
  }
  return out;
}

}  // namespace bitsweep::cli
