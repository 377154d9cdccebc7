// `bitsweep query`: trials by expression, or anything at all by read-only SQL.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/command.h"
#include "cli/row_options.h"
#include "core/text.h"
#include "store/sql.h"

namespace bitsweep::cli {
namespace {

struct Options : RowOptions {
  std::string sql;
  std::string timeout = "10s";
};

Table run_sql(const Options& options) {
  if (!options.expression.empty() || !options.sweep.empty() || !options.columns.empty()) {
    throw ConfigError("--sql says everything itself: without an expression, --sweep or --columns");
  }
  const double limit_s = parse_duration_s(options.timeout, "--timeout");
  store::SqlResult result =
      store::run_sql(options.database, options.sql,
                     std::chrono::milliseconds(static_cast<std::int64_t>(1000 * limit_s)));
  Table table{std::move(result.columns), std::move(result.rows)};
  sort_rows(table, options.sort);
  if (options.limit > 0 && table.rows.size() > options.limit) table.rows.resize(options.limit);
  return table;
}

ExitCode run(const Options& options) {
  if (!options.sql.empty()) {
    print_table(run_sql(options), options);
    return ExitCode::kOk;
  }
  const auto store = store::Store::open(options.database, store::Access::read);
  print_table(select_rows(store, options, {"key", "name", "status", "top1", "top5", "loss"}),
              options);
  return ExitCode::kOk;
}

}  // namespace

void register_query(Registry<Command>& registry) {
  registry.add(
      {"query", "Select trials by an expression, or anything by SQL", [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         app.add_option("expression", options->expression,
                        "Condition on a trial's columns: and or not ( ) == != < <= > >= in ~");
         app.add_option("--sql", options->sql,
                        "One SELECT on the views v_trials, v_groups, v_metrics, v_claims, v_layers "
                        "(docs/database.md); reads alone are possible");
         app.add_option("--timeout", options->timeout, "Longest time for --sql")
             ->capture_default_str();
         add_row_options(app, *options);
         app.footer(
             "Examples:\n"
             "  bitsweep query 'quant.weight.bits == 4 and top1 > 0.9' --sort=-top1\n"
             "  bitsweep query --format csv --columns name,seed,top1 > top1.csv\n"
             "  bitsweep query --sql 'SELECT name, top1 FROM v_trials ORDER BY top1 DESC LIMIT 5'");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
