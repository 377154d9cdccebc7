// A translation's file, planned: what `bitsweep import-config` and `bitsweep plan` do in turn.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/file.h"
#include "importing/vocabulary.h"
#include "sweep/plan.h"

namespace bitsweep::importing {

inline std::string error_of(const std::string& vocabulary, const std::string& text,
                            const std::string& model = "") {
  try {
    static_cast<void>(vocabularies().get(vocabulary).translate({text, "typed", model}));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

// The settings of the one trial that the translation plans, with `changes` on the command line.
inline config::Settings planned(const std::string& text, const std::string& model = "",
                                const std::vector<std::string>& changes = {}) {
  const ImportInput input{text, "typed", model};
  const std::string toml = to_toml(vocabulary_for(input, "").translate(input));
  std::string pattern = (std::filesystem::temp_directory_path() / "bitsweep-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  write_file_atomic(folder / "imported.toml", toml);
  const sweep::LoadedPlan loaded = sweep::load_plan(folder / "imported.toml", changes, {});
  std::filesystem::remove_all(folder);
  return loaded.plan.trials.at(0).settings;
}

inline std::string bare(const config::Settings& settings, std::string_view key) {
  return config::format_bare(settings.get(key));
}

}  // namespace bitsweep::importing
