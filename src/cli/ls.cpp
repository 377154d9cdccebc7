// `bitsweep ls`: the trials of the database, one line each.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/row_options.h"
#include "core/text.h"

namespace bitsweep::cli {
namespace {

struct Options : RowOptions {
  std::string pattern;
  std::vector<std::string> statuses;
};

std::string quoted(const std::string& text) {
  if (text.find('"') == std::string::npos) return "\"" + text + "\"";
  if (text.find('\'') == std::string::npos) return "'" + text + "'";
  throw ConfigError(fmt::format("a pattern cannot hold both kinds of quotation marks: {}", text));
}

// The filters as one expression: `ls` says nothing that `query` cannot.
std::string filter_expression(const Options& options) {
  std::vector<std::string> parts;
  if (!options.expression.empty()) parts.push_back("(" + options.expression + ")");
  if (!options.pattern.empty()) {
    const bool is_glob = options.pattern.find_first_of("*?") != std::string::npos;
    parts.push_back("name ~ " + quoted(is_glob ? options.pattern : "*" + options.pattern + "*"));
  }
  std::vector<std::string> statuses;
  for (const std::string& status : options.statuses) {
    store::status_from_string(status);
    statuses.push_back(quoted(status));
  }
  if (!statuses.empty()) parts.push_back("status in [" + join(statuses, ", ") + "]");
  return join(parts, " and ");
}

ExitCode run(Options options) {
  options.expression = filter_expression(options);
  const auto store = store::Store::open(options.database, store::Access::read);
  print_table(select_rows(store, options, {"key", "name", "status", "top1", "seconds"}), options);
  return ExitCode::kOk;
}

}  // namespace

void register_ls(Registry<Command>& registry) {
  registry.add({"ls", "List trials, with filters and sorting", [](CLI::App& app) {
                  auto options = std::make_shared<Options>();
                  app.add_option("pattern", options->pattern,
                                 "Names that hold this text, or match it with * and ?");
                  app.add_option("--status", options->statuses,
                                 "ok, failed, running, queued, preempted, pruned")
                      ->delimiter(',')
                      ->check(CLI::IsMember(std::vector<std::string>{
                          "ok", "failed", "running", "queued", "preempted", "pruned"}));
                  app.add_option("--where", options->expression,
                                 "Expression, as for `bitsweep query`");
                  add_row_options(app, *options);
                  app.footer(
                      "Examples:\n"
                      "  bitsweep ls --status failed\n"
                      "  bitsweep ls W4A4 --sort=-top1 --limit 10\n"
                      "  bitsweep ls --where 'quant.weight.bits == 4' --json");
                  return std::function<ExitCode()>([options] { return run(*options); });
                }});
}

}  // namespace bitsweep::cli
