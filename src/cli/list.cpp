// `bitsweep list`: everything that is registered, by family.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/families.h"
#include "core/text.h"

namespace bitsweep::cli {
namespace {

struct Options {
  std::string family;
  bool json = false;
};

void print_family(const Family& family) {
  fmt::print("{}: {}{}\n", family.name, family.summary,
             family.key.empty() ? "" : fmt::format(" ({} = …)", family.key));
  std::size_t width = 0;
  for (const Entry& entry : family.entries) width = std::max(width, entry.name.size());
  for (const Entry& entry : family.entries) {
    fmt::print("  {:<{}}  {}\n", entry.name, width, entry.summary);
  }
}

ExitCode run(const Options& options) {
  std::vector<Family> chosen;
  std::vector<std::string> names;
  for (Family& family : families()) {
    names.push_back(family.name);
    // The keys fill pages (docs/config.md): only when asked for.
    if (options.family == family.name || (options.family.empty() && family.name != "keys")) {
      chosen.push_back(std::move(family));
    }
  }
  if (chosen.empty()) throw ConfigError(unknown_name_message("family", options.family, names));
  if (options.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const Family& family : chosen) {
      for (const Entry& entry : family.entries) {
        rows.push_back({{"family", family.name}, {"name", entry.name}, {"summary", entry.summary}});
      }
    }
    fmt::print("{}\n", nlohmann::json{{"schema_version", 1}, {"rows", rows}}.dump(2));
    return ExitCode::kOk;
  }
  for (std::size_t i = 0; i < chosen.size(); ++i) {
    if (i > 0) std::puts("");
    print_family(chosen[i]);
  }
  return ExitCode::kOk;
}

}  // namespace

void register_list(Registry<Command>& registry) {
  registry.add({"list", "List what is registered: networks, data sets, schemes, presets, …",
                [](CLI::App& app) {
                  auto options = std::make_shared<Options>();
                  app.add_option("family", options->family, "One family alone, for example models");
                  app.add_flag("--json", options->json, "JSON");
                  app.footer("Examples:\n  bitsweep list\n  bitsweep list models --json\n"
                             "  bitsweep list keys");
                  return std::function<ExitCode()>([options] { return run(*options); });
                }});
}

}  // namespace bitsweep::cli
