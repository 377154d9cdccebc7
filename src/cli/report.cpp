// `bitsweep report`: tables, plots and verdicts of one sweep as a folder of files.
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/locations.h"
#include "cli/records.h"
#include "report/collect.h"
#include "report/compose.h"

namespace bitsweep::cli {
namespace {

struct Options {
  std::string sweep;
  std::string database = kDefaultDatabase;
  std::string folder;
  bool gate = false;
};

bool is_file_name(const std::string& text) {
  const std::string extension = std::filesystem::path(text).extension();
  return extension == ".toml" || text.find('/') != std::string::npos;
}

// What the sweep file asks for now. Where this machine lacks a file that decides the trials' keys,
// the plan that the database froze when it ran.
report::ReportInput input_from_file(const Options& options) {
  const auto store = store::Store::open_if_exists(options.database);
  sweep::PlanContext context;
  context.find_trial = [&](std::string_view id) -> std::optional<std::string> {
    if (!store) return std::nullopt;
    return store->find_trial(id);
  };
  const sweep::LoadedPlan loaded = sweep::load_plan(options.sweep, {}, {}, context);
  const PlanRecords records = records_of(loaded);
  if (!loaded.plan.needs.empty() && store) {
    const auto known = store->sweep(loaded.plan.name);
    if (known && known->sha256 == records.sweep.sha256) {
      return report::collect_by_name(*store, loaded.plan.name);
    }
  }
  return report::collect(store ? &*store : nullptr, records.sweep, records.trials);
}

report::ReportInput input_of(const Options& options) {
  if (is_file_name(options.sweep)) return input_from_file(options);
  return report::collect_by_name(store::Store::open(options.database, store::Access::read),
                                 options.sweep);
}

ExitCode run(const Options& options) {
  const report::ReportInput input = input_of(options);
  const report::Report report = report::compose(input);
  const std::filesystem::path folder = options.folder.empty()
                                           ? std::filesystem::path("reports") / input.sweep.name
                                           : std::filesystem::path(options.folder);
  fmt::print("{}\n", report::write_report(report, folder).string());
  if (!options.gate || report.missed.empty()) return ExitCode::kOk;
  for (const std::string& claim : report.missed) spdlog::error("claim missed: {}", claim);
  return ExitCode::kClaimMissed;
}

}  // namespace

void register_report(Registry<Command>& registry) {
  registry.add(
      {"report", "Write tables, plots and verdicts of a sweep, published beside ours",
       [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         app.add_option("sweep", options->sweep,
                        "Sweep file, or the name of a sweep in the database")
             ->required();
         app.add_option("-o,--output", options->folder, "Folder (default: reports/NAME)");
         app.add_option("--db", options->database, "Database")->capture_default_str();
         app.add_flag("--gate", options->gate,
                      "Exit 3 where a claim is missed: its verdict is 'gap' or 'not run'");
         app.footer(
             "Prints the path of report.md. Beside it: report.html, report.tex, data.csv,\n"
             "trials.jsonl, fig/*.png, *.svg and *.csv.\n"
             "Examples:\n  bitsweep report sweeps/quickstart.toml\n"
             "  bitsweep report quickstart -o out/report --gate");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
