// Tables for people and programs: one shape, rendered as aligned text, Markdown, CSV (RFC 4180),
// JSON, JSON lines or LaTeX. Everything that people may have written themselves is escaped.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace bitsweep::cli {

enum class Format { table, md, csv, json, jsonl, tex };
const std::vector<std::string>& format_names();  // "table", "md", …
Format format_from_name(std::string_view name);  // throws ConfigError
bool is_for_people(Format format);               // table, md, tex: keys short, numbers rounded

struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<nlohmann::json>> rows;  // one value a column; null: nothing there
};

// One row for each object, with the values of `columns`; what an object lacks is null.
Table make_table(std::vector<nlohmann::json> objects, std::vector<std::string> columns);

// `width`: columns of the terminal, 0 = as wide as it gets. Only Format::table heeds it: the widest
// text columns lose their middles ("quic…4A4,seed=0") until the table fits. Numbers are aligned
// right and never cut. JSON is {"schema_version": 1, "rows": [...]}. Ends with a newline.
std::string render(const Table& table, Format format, std::size_t width = 0);

// COLUMNS where it is set, else the terminal's width, else (stdout is a file or pipe) 0.
std::size_t output_width();

// Columns that a text takes on a terminal: its UTF-8 characters, as far as they are single width.
std::size_t display_width(std::string_view text);

// First digits of a trial's key, as tables show them and commands take them.
std::string short_key(std::string_view key);

}  // namespace bitsweep::cli
