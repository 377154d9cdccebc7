// The sweeps and recipes that the repository carries.
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <map>
#include <set>

#include "sweep/plan.h"

namespace bitsweep::sweep {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> toml_files(const fs::path& folder) {
  std::vector<fs::path> out;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.path().extension() == ".toml") out.push_back(entry.path());
  }
  std::ranges::sort(out);
  return out;
}

// Lints that a repository's own file may have: what its comments state.
const std::set<std::string> kStated = {"calibrated_on_test", "one_seed", "selected_on_test"};

std::map<std::string, std::string> names_by_key(const Plan& plan) {
  std::map<std::string, std::string> out;
  for (const PlannedTrial& trial : plan.trials) out[trial.identity.key] = trial.name;
  return out;
}

}  // namespace

TEST_CASE(
    "every sweep and recipe of the repository plans, and has no lint that it does not state") {
  for (const char* folder : {"sweeps", "experiments"}) {
    const std::vector<fs::path> files = toml_files(folder);
    REQUIRE(files.size() > 3);
    for (const fs::path& file : files) {
      CAPTURE(file);
      const LoadedPlan loaded = load_plan(file, {}, {});
      CHECK_FALSE(loaded.plan.trials.empty());
      for (const Lint& lint : loaded.plan.lints) {
        CAPTURE(lint.rule, lint.message);
        CHECK(kStated.contains(lint.rule));
      }
    }
  }
}

TEST_CASE("the published rows of document 002 are its recipes, each with its claim") {
  std::map<std::string, std::string> rows, recipes;
  std::set<std::string> row_claims, recipe_claims;
  const auto add = [](const fs::path& file, std::map<std::string, std::string>& trials,
                      std::set<std::string>& claims) {
    const LoadedPlan loaded = load_plan(file, {}, {});
    trials.merge(names_by_key(loaded.plan));
    for (const Claim& claim : loaded.sweep.claims) claims.insert(claim.id);
  };
  for (const char* net : {"toynet", "mobilenetv2", "resnet20"}) {
    add(fs::path("sweeps/002") / ("published_" + std::string(net) + ".toml"), rows, row_claims);
  }
  for (const fs::path& file : toml_files("experiments/002")) {
    if (file.filename().string().find("short") == std::string::npos) {
      add(file, recipes, recipe_claims);
    }
  }
  CHECK(rows.size() == 40);  // facts A.8.1, A.8.2, A.8.4, equal rows once
  for (const auto& [key, name] : rows) {
    CAPTURE(name);
    CHECK(recipes.contains(key));
  }
  CHECK(recipes.size() == rows.size());
  CHECK(row_claims == recipe_claims);
  CHECK(row_claims.size() == 45);
}

}  // namespace bitsweep::sweep
