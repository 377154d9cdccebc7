// `bitsweep db`: care of the database.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/locations.h"
#include "core/log.h"
#include "core/text.h"
#include "store/care.h"

namespace bitsweep::cli {
namespace {

struct Options {
  std::string database = kDefaultDatabase;
  std::string source;  // of import and merge
  bool drop_missing = false;
};

void warn_all(const std::vector<std::string>& sentences) {
  for (const std::string& sentence : sentences) spdlog::warn("{}", sentence);
}

ExitCode rebuild(const Options& options) {
  const auto missing =
      options.drop_missing ? store::MissingFolders::drop : store::MissingFolders::refuse;
  const store::Rebuilt rebuilt = store::rebuild(options.database, missing);
  if (!rebuilt.set_aside.empty()) {
    spdlog::warn("{}: was damaged; it is kept as {}", options.database, rebuilt.set_aside.string());
  }
  warn_all(rebuilt.problems);
  fmt::print("{}: {} trials, {} attempts\n", options.database, rebuilt.trials, rebuilt.attempts);
  return rebuilt.problems.empty() ? ExitCode::kOk : ExitCode::kEnvironment;
}

ExitCode verify(const Options& options) {
  const auto store = store::Store::open(options.database, store::Access::read);
  const auto problems = store::verify(store);
  for (const std::string& problem : problems) fmt::print("{}\n", problem);
  if (!problems.empty()) {
    throw StoreError(
        fmt::format("{}: {} problems; `bitsweep db rebuild` takes the run folders' word",
                    options.database, problems.size()));
  }
  fmt::print("{}: sound, and as the run folders say\n", options.database);
  return ExitCode::kOk;
}

void print_imported(const store::Imported& imported) {
  warn_all(imported.skipped);
  fmt::print("{} new trials, {} new attempts, {} known already\n", imported.trials,
             imported.attempts, imported.known);
}

ExitCode import(const Options& options) {
  auto store = store::Store::open(options.database, store::Access::write);
  print_imported(store::import_trials(store, options.source));
  return ExitCode::kOk;
}

ExitCode merge(const Options& options) {
  const auto other = store::Store::open(options.source, store::Access::read);
  auto store = store::Store::open(options.database, store::Access::write);
  print_imported(store::merge(store, other));
  return ExitCode::kOk;
}

ExitCode migrate(const Options& options) {
  std::error_code error;
  if (!std::filesystem::exists(options.database, error)) {
    throw StoreError(fmt::format("{}: there is no database", options.database));
  }
  store::Store::open(options.database, store::Access::write);
  fmt::print("{}: up to date\n", options.database);
  return ExitCode::kOk;
}

std::function<ExitCode()> attach(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.require_subcommand(1);
  auto chosen = std::make_shared<ExitCode (*)(const Options&)>(nullptr);
  const auto add = [&](const char* name, const char* summary, ExitCode (*action)(const Options&)) {
    CLI::App* sub = app.add_subcommand(name, summary);
    sub->add_option("--db", options->database, "Database")->capture_default_str();
    sub->callback([chosen, action] { *chosen = action; });
    return sub;
  };
  add("rebuild", "Recreate the database from the run folders", rebuild)
      ->add_flag("--drop-missing", options->drop_missing,
                 "Let attempts go whose folders are not there");
  add("verify", "Check the database, and compare it with the run folders", verify);
  add("import", "Take in the trials of a report's trials.jsonl", import)
      ->add_option("file", options->source, "trials.jsonl")
      ->required();
  add("merge", "Take in another database's trials", merge)
      ->add_option("other", options->source, "The other database")
      ->required();
  add("migrate", "Bring a database of an older schema up to date", migrate);
  app.footer(
      "Examples:\n"
      "  bitsweep db verify\n"
      "  bitsweep db merge ../other/results/results.db\n"
      "  bitsweep db import reports/quickstart/trials.jsonl");
  return [options, chosen] { return (*chosen)(*options); };
}

}  // namespace

void register_db(Registry<Command>& registry) {
  registry.add({"db", "Rebuild, verify, import into or merge a database", attach});
}

}  // namespace bitsweep::cli
