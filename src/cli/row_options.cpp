#include "cli/row_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <optional>

#include "config/expression.h"
#include "core/text.h"

namespace bitsweep::cli {
namespace {

using nlohmann::json;

[[noreturn]] void throw_unknown_column(const std::string& column,
                                       const std::vector<std::string>& known) {
  // There are about a hundred: only the nearest is worth reading.
  const auto near = nearest_name(column, known);
  throw ConfigError(
      fmt::format("unknown column '{}'{}; `bitsweep list keys` shows those of the "
                  "configuration",
                  column, near ? fmt::format(" (did you mean '{}'?)", *near) : ""));
}

void check_sweep(const store::Store& store, const std::string& sweep) {
  if (sweep.empty()) return;
  const auto names = store.sweep_names();
  if (std::find(names.begin(), names.end(), sweep) == names.end()) {
    throw ConfigError(unknown_name_message("sweep", sweep, names));
  }
}

std::string sort_column(const std::string& sort) {
  return !sort.empty() && sort[0] == '-' ? sort.substr(1) : sort;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

void add_missing(std::vector<std::string>& names, const std::string& name) {
  if (!name.empty() && !contains(names, name)) names.push_back(name);
}

// Numbers before texts before everything else; what has no value comes last in either direction.
int rank(const json& value) {
  if (value.is_number()) return 0;
  if (value.is_string()) return 1;
  return value.is_null() ? 3 : 2;
}

}  // namespace

void add_row_options(CLI::App& app, RowOptions& options) {
  app.add_option("--db", options.database, "Database")->capture_default_str();
  app.add_option("--sweep", options.sweep, "Trials of one sweep alone");
  app.add_option("--columns", options.columns, "Columns, separated by commas")->delimiter(',');
  app.add_option("--sort", options.sort, "Column to sort by; --sort=-COLUMN descends");
  app.add_option("--limit", options.limit, "At most so many rows");
  app.add_option("--format", options.format, "table, md, csv, json, jsonl or tex")
      ->check(CLI::IsMember(format_names()))
      ->capture_default_str();
  app.add_flag("--json", options.json, "The same as --format json");
}

Format format_of(const RowOptions& options) {
  return options.json ? Format::json : format_from_name(options.format);
}

Table select_rows(const store::Store& store, const RowOptions& options,
                  std::vector<std::string> people_columns) {
  check_sweep(store, options.sweep);
  const std::string sort = sort_column(options.sort);
  const bool all_columns = options.columns.empty() && !is_for_people(format_of(options));
  std::vector<std::string> columns = options.columns.empty() ? people_columns : options.columns;
  store::RowFilter filter;
  filter.sweep = options.sweep;

  // The names of all columns take reading every trial: only where a name is none of the usual.
  std::optional<config::Expression> expression;
  if (!options.expression.empty()) expression = config::Expression::parse(options.expression);
  std::vector<std::string> named = options.columns;
  add_missing(named, sort);
  if (expression) {
    for (const std::string& name : expression->names()) add_missing(named, name);
  }
  std::vector<std::string> known = people_columns;
  const auto is_known = [&known](const std::string& name) { return contains(known, name); };
  if (all_columns || !std::all_of(named.begin(), named.end(), is_known)) {
    known = store.column_names(filter);
    if (expression) expression = config::Expression::parse(options.expression, "", known);
    for (const std::string& name : named) {
      if (!is_known(name)) throw_unknown_column(name, known);
    }
  }
  if (all_columns) {
    columns = known;
  } else {
    if (options.columns.empty()) add_missing(columns, sort);
    filter.columns = columns;
    for (const std::string& name : named) add_missing(filter.columns, name);
  }

  std::vector<json> rows = store.trial_rows(filter);
  if (expression) {
    std::erase_if(rows, [&](const json& row) {
      return !expression->evaluate([&row](std::string_view name) {
        const auto found = row.find(std::string(name));
        return found == row.end() ? config::Value() : config::value_from_json(*found);
      });
    });
  }
  std::vector<std::string> fetched = columns;
  add_missing(fetched, sort);
  Table table = make_table(std::move(rows), fetched);
  sort_rows(table, options.sort);
  if (options.limit > 0 && table.rows.size() > options.limit) table.rows.resize(options.limit);
  if (fetched.size() > columns.size()) {
    table.columns.pop_back();
    for (auto& row : table.rows) row.pop_back();
  }
  return table;
}

void sort_rows(Table& table, const std::string& sort) {
  if (sort.empty()) return;
  const std::string column = sort_column(sort);
  const auto found = std::find(table.columns.begin(), table.columns.end(), column);
  if (found == table.columns.end()) throw_unknown_column(column, table.columns);
  const auto at = static_cast<std::size_t>(found - table.columns.begin());
  const bool descending = sort[0] == '-';
  std::stable_sort(table.rows.begin(), table.rows.end(), [&](const auto& a, const auto& b) {
    if (rank(a[at]) == 3 || rank(b[at]) == 3) return rank(a[at]) < rank(b[at]);
    const auto& low = descending ? b[at] : a[at];
    const auto& high = descending ? a[at] : b[at];
    return rank(low) != rank(high) ? rank(low) < rank(high) : low < high;
  });
}

void print_table(Table table, const RowOptions& options) {
  const Format format = format_of(options);
  const auto key = std::find(table.columns.begin(), table.columns.end(), "key");
  if (is_for_people(format) && key != table.columns.end()) {
    const auto at = static_cast<std::size_t>(key - table.columns.begin());
    for (auto& row : table.rows) {
      if (row[at].is_string()) row[at] = short_key(row[at].get<std::string>());
    }
  }
  fmt::print("{}", render(table, format, output_width()));
}

}  // namespace bitsweep::cli
