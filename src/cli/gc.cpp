// `bitsweep gc`: what failed attempts and spare checkpoints take up, and how to be rid of it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/command.h"
#include "cli/locations.h"
#include "cli/table.h"
#include "core/text.h"
#include "store/care.h"

namespace bitsweep::cli {
namespace {

struct Options {
  std::string database = kDefaultDatabase;
  bool all_failed = false;
  bool checkpoints = false;
  bool remove = false;
  bool dry_run = false;  // the default, for those who say it
};

ExitCode run(const Options& options) {
  const auto garbage = options.all_failed ? store::Garbage::all_failed : store::Garbage::superseded;
  auto store = store::Store::open(options.database,
                                  options.remove ? store::Access::write : store::Access::read);
  const auto attempts = store::removable_attempts(store, garbage);
  Table table{{"attempt", "class", "size"}, {}};
  std::uint64_t bytes = 0;
  for (const store::Removable& attempt : attempts) {
    table.rows.push_back({fmt::format("{}/{}", short_key(attempt.key), attempt.number),
                          attempt.failure_class, format_bytes(attempt.bytes)});
    bytes += attempt.bytes;
    if (options.remove) store::remove_attempt(store, attempt);
  }
  std::string found = fmt::format("{} attempts", attempts.size());
  if (options.checkpoints) {
    const auto checkpoints = store::spare_checkpoints(store);
    for (const store::SpareCheckpoint& checkpoint : checkpoints) {
      table.rows.push_back({fmt::format("{}/{}", short_key(checkpoint.key), checkpoint.number),
                            "checkpoint", format_bytes(checkpoint.bytes)});
      bytes += checkpoint.bytes;
      if (options.remove) std::filesystem::remove(checkpoint.path);
    }
    found += fmt::format(", {} checkpoints", checkpoints.size());
  }
  if (!table.rows.empty()) fmt::print("{}", render(table, Format::table, output_width()));
  fmt::print(stderr, "{}, {}{}\n", found, format_bytes(bytes),
             options.remove       ? ", removed"
             : table.rows.empty() ? ""
                                  : "; --delete removes them");
  return ExitCode::kOk;
}

}  // namespace

void register_gc(Registry<Command>& registry) {
  registry.add({"gc", "List or remove failed attempts and spare checkpoints", [](CLI::App& app) {
                  auto options = std::make_shared<Options>();
                  app.add_option("--db", options->database, "Database")->capture_default_str();
                  app.add_flag(
                      "--all-failed", options->all_failed,
                      "Also those of trials that have not succeeded since (they become queued, and "
                      "trainings lose the checkpoints to go on from)");
                  app.add_flag("--checkpoints", options->checkpoints,
                               "Also the checkpoints of trials that have succeeded");
                  auto* remove = app.add_flag("--delete", options->remove, "Remove them");
                  app.add_flag("--dry-run", options->dry_run, "Only list them (the default)")
                      ->excludes(remove);
                  app.footer(
                      "Examples:\n  bitsweep gc\n  bitsweep gc --delete\n"
                      "  bitsweep gc --checkpoints --delete");
                  return std::function<ExitCode()>([options] { return run(*options); });
                }});
}

}  // namespace bitsweep::cli
