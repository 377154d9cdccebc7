#include "cli/known_task.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "config/identity.h"
#include "core/hash.h"
#include "data/dataset.h"
#include "store/store.h"
#include "sweep/locate.h"
#include "sweep/plan.h"

namespace bitsweep::cli {
namespace {

namespace fs = std::filesystem;

// The weight file of the trial on this machine, found by what it holds: as it was named, from here
// and from the folders of sweeps and recipes.
std::string find_weights(const std::string& named, const std::string& sha256) {
  std::vector<fs::path> folders = {"", "sweeps", "experiments"};
  std::error_code ignored;
  for (const char* base : {"sweeps", "experiments"}) {
    for (const auto& entry : fs::directory_iterator(base, ignored)) {
      if (entry.is_directory(ignored)) folders.push_back(entry.path());
    }
  }
  sweep::Locator locator;
  for (const std::string& name : {named, fs::path(named).filename().string()}) {
    for (const fs::path& folder : folders) {
      const auto& file = locator.weights(name, folder);
      if (file.sha256 == sha256) return file.path.string();
    }
  }
  throw DataError(fmt::format(
      "{}: no file with SHA-256 {} is found from here; give it with --weights", named, sha256));
}

// The weights that another trial left (`stage:NAME`, `trial:KEY`), if they are those that this one
// started from.
std::string trial_weights(const std::string& key, const std::string& sha256,
                          const std::string& database) {
  const auto store = store::Store::open_if_exists(database);
  const auto path = store ? store->artifact(key, "weights") : std::nullopt;
  if (path && fs::exists(*path) && sha256_file(*path) == sha256) return path->string();
  throw DataError(fmt::format(
      "it started from the weights of trial {} with SHA-256 {}, which {} does not have; "
      "give the file with --weights",
      key.substr(0, 12), sha256, database));
}

}  // namespace

run::Task known_task(const KnownTrial& known, const std::string& database,
                     const std::string& weights_file) {
  const config::Settings settings = config::Settings::from_json(known.trial.config);
  const auto canonical = nlohmann::json::parse(known.trial.canonical);
  config::Digests digests;
  const auto* data_name = settings.get("data.name").as<std::string>();
  digests["data.name"] = sweep::dataset_digest(data::datasets().get(*data_name));
  run::Task task;
  task.key = known.trial.key;
  task.name = known.trial.memberships.empty() ? task.key : known.trial.memberships[0].name;
  task.settings = known.trial.config;
  task.paths = nlohmann::json::object();
  for (const char* key : sweep::kWeightKeys) {
    const auto weights = canonical.find(key);
    if (weights == canonical.end() || !weights->contains("sha256")) continue;
    const bool is_start = std::string_view(key) == "model.weights";
    const std::string named = *settings.get(key).as<std::string>();
    const std::string digest = weights->at("sha256").get<std::string>();
    const bool is_of_trial = named.starts_with("stage:") || named.starts_with("trial:");
    const std::string sha256 = known.attempt.fingerprint.value(
        is_start ? "weights_sha256" : "teacher_sha256", std::string());
    const std::string path = is_start && !weights_file.empty() ? fs::absolute(weights_file).string()
                             : is_of_trial ? trial_weights(digest, sha256, database)
                                           : find_weights(named, digest);
    digests[key] = is_of_trial ? digest : sha256_file(path);
    task.paths[key] = path;
  }
  const auto file = canonical.find("model.file");
  if (file != canonical.end() && file->contains("sha256")) {
    const std::string path = find_weights(*settings.get("model.file").as<std::string>(),
                                          file->at("sha256").get<std::string>());
    digests["model.file"] = sha256_file(path);
    task.paths["model.file"] = path;
  }
  const config::Identity identity = config::identify(settings, digests);
  if (identity.key != known.trial.key) {
    throw ConfigError(
        fmt::format("{} is {} for this bitsweep, its data and weights; the canonical "
                    "forms: {} and {}",
                    known.trial.key.substr(0, 12), identity.key.substr(0, 12),
                    known.trial.canonical, identity.canonical));
  }
  return task;
}

std::string trained_weights(const KnownTrial& known, const std::string& database) {
  const std::string key = known.trial.key.substr(0, 12);
  const auto store = store::Store::open_if_exists(database);
  const auto path = store ? store->artifact(known.trial.key, "weights") : std::nullopt;
  if (!path || !fs::exists(*path)) {
    throw DataError(fmt::format("the weights of trial {} are gone: {}", key,
                                path ? path->string() : "no artifact 'weights' in " + database));
  }
  for (const store::Artifact& artifact : known.attempt.artifacts) {
    if (artifact.name == "weights" && artifact.sha256 != sha256_file(*path)) {
      throw DataError(fmt::format("{} is not what trial {} left: another SHA-256 than {}",
                                  path->string(), key, artifact.sha256));
    }
  }
  return path->string();
}

}  // namespace bitsweep::cli
