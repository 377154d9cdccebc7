// What `ls` and `query` share: which database, which trials' rows, and how they are printed.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/locations.h"
#include "cli/table.h"
#include "core/error.h"
#include "store/store.h"

namespace CLI {
class App;
}

namespace bitsweep::cli {

struct RowOptions {
  std::string database = kDefaultDatabase;
  std::string sweep;
  std::string expression;            // config/expression.h; "" = every trial
  std::vector<std::string> columns;  // empty: the command's default
  std::string sort;                  // a column; "-column" descending; "" = plan order
  std::size_t limit = 0;             // 0 = all
  std::string format = "table";
  bool json = false;  // --format json
};

void add_row_options(CLI::App& app, RowOptions& options);
Format format_of(const RowOptions& options);

// Rows that the expression holds for, sorted and limited, with the chosen columns, else
// `people_columns` (table, md, tex) or every column (csv, json, jsonl). Throws ConfigError for an
// unknown column, name or sweep.
Table select_rows(const store::Store& store, const RowOptions& options,
                  std::vector<std::string> people_columns);

// In place: `column` or `-column`; what has no value comes last. Throws ConfigError where the table
// lacks the column.
void sort_rows(Table& table, const std::string& sort);

// On stdout, in the options' format.
void print_table(Table table, const RowOptions& options);

}  // namespace bitsweep::cli
