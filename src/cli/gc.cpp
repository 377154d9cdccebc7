// `bitsweep gc`: what failed attempts take up, and how to be rid of it.
#include <CLI/CLI.hpp>
#include <cstdio>
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
  if (!attempts.empty()) fmt::print("{}", render(table, Format::table, output_width()));
  fmt::print(stderr, "{} attempts, {}{}\n", attempts.size(), format_bytes(bytes),
             options.remove     ? ", removed"
             : attempts.empty() ? ""
                                : "; --delete removes them");
  return ExitCode::kOk;
}

}  // namespace

void register_gc(Registry<Command>& registry) {
  registry.add({"gc", "List or remove what failed attempts left behind", [](CLI::App& app) {
                  auto options = std::make_shared<Options>();
                  app.add_option("--db", options->database, "Database")->capture_default_str();
                  app.add_flag(
                      "--all-failed", options->all_failed,
                      "Also those of trials that have not succeeded since (they become queued)");
                  auto* remove = app.add_flag("--delete", options->remove, "Remove them");
                  app.add_flag("--dry-run", options->dry_run, "Only list them (the default)")
                      ->excludes(remove);
                  app.footer("Examples:\n  bitsweep gc\n  bitsweep gc --delete");
                  return std::function<ExitCode()>([options] { return run(*options); });
                }});
}

}  // namespace bitsweep::cli
