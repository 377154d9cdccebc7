#include "cli/table.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "core/error.h"
#include "core/escape.h"
#include "core/text.h"

namespace bitsweep::cli {
namespace {

using nlohmann::json;

constexpr std::string_view kGap = "  ";
constexpr std::size_t kLeastWidth = 12;  // a text column is not cut below this; a key fits

// A value as people read it. Escaping for the format comes after.
std::string text_of(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
  return value.dump();
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

// The first (or last) `count` characters of UTF-8 text.
std::string_view first_characters(std::string_view text, std::size_t count) {
  std::size_t at = 0;
  while (at < text.size() && (count > 0 || is_continuation(text[at]))) {
    if (!is_continuation(text[at])) --count;
    ++at;
  }
  return text.substr(0, at);
}

std::string_view last_characters(std::string_view text, std::size_t count) {
  std::size_t at = text.size();
  while (at > 0 && count > 0) {
    --at;
    if (!is_continuation(text[at])) --count;
  }
  return text.substr(at);
}

// A cell on a terminal, and the columns it takes there.
struct Cell {
  std::string text;
  std::size_t width = 0;
};

// Names begin with their sweep, which they share, and differ behind it: more is kept of the end.
std::string cut_to(const std::string& text, std::size_t width) {
  const std::size_t head = (width - 1) / 4;
  return fmt::format("{}…{}", first_characters(text, head),
                     last_characters(text, width - 1 - head));
}

// One line, and nothing that steers the terminal.
Cell terminal_cell(const json& value) {
  if (value.is_null()) return {"–", 1};
  std::string out;
  for (const char c : text_of(value)) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '\n' || c == '\t') {
      out += ' ';
    } else if (code >= 0x20 && code != 0x7F) {
      out += c;
    }
  }
  const std::size_t width = display_width(out);
  return {std::move(out), width};
}

// Takes from the widest text column, a character at a time, until the table fits.
void fit(std::vector<std::size_t>& widths, const std::vector<bool>& is_numeric, std::size_t width) {
  std::size_t total = kGap.size() * (widths.size() - 1);
  for (const std::size_t w : widths) total += w;
  while (total > width) {
    std::size_t* widest = nullptr;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      if (is_numeric[i] || widths[i] <= kLeastWidth) continue;
      if (widest == nullptr || widths[i] > *widest) widest = &widths[i];
    }
    if (widest == nullptr) return;
    --*widest;
    --total;
  }
}

// A column of numbers (and nothing) is aligned right.
std::vector<bool> numeric_columns(const Table& table) {
  std::vector<bool> out(table.columns.size(), false);
  for (std::size_t i = 0; i < out.size(); ++i) {
    bool any = false;
    bool all = true;
    for (const auto& row : table.rows) {
      any |= row[i].is_number();
      all &= row[i].is_number() || row[i].is_null();
    }
    out[i] = any && all;
  }
  return out;
}

std::string render_text(const Table& table, std::size_t width) {
  const std::vector<bool> is_numeric = numeric_columns(table);
  std::vector<std::vector<Cell>> lines(1);
  lines.reserve(table.rows.size() + 1);
  for (const std::string& column : table.columns) lines[0].push_back(terminal_cell(column));
  for (const auto& row : table.rows) {
    std::vector<Cell>& line = lines.emplace_back();
    line.reserve(row.size());
    for (const json& value : row) line.push_back(terminal_cell(value));
  }
  std::vector<std::size_t> widths(table.columns.size(), 0);
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], line[i].width);
  }
  if (width > 0) fit(widths, is_numeric, width);
  std::string out;
  for (auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      Cell& cell = line[i];
      if (cell.width > widths[i]) cell = {cut_to(cell.text, widths[i]), widths[i]};
      const std::size_t padding = widths[i] - cell.width;
      if (i > 0) out += kGap;
      if (is_numeric[i]) out.append(padding, ' ');
      out += cell.text;
      if (!is_numeric[i] && i + 1 < line.size()) out.append(padding, ' ');
    }
    out += '\n';
  }
  return out;
}

template <typename Escape>
std::vector<std::string> escaped(const std::vector<json>& row, std::string_view nothing,
                                 Escape&& escape) {
  std::vector<std::string> out;
  for (const json& value : row) {
    out.push_back(value.is_null() ? std::string(nothing) : escape(text_of(value)));
  }
  return out;
}

std::string render_markdown(const Table& table) {
  const auto line = [](const std::vector<std::string>& cells) {
    return "| " + join(cells, " | ") + " |\n";
  };
  std::vector<std::string> heads;
  std::vector<std::string> rules;
  const std::vector<bool> is_numeric = numeric_columns(table);
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    heads.push_back(escape_markdown(table.columns[i]));
    rules.push_back(is_numeric[i] ? "---:" : "---");
  }
  std::string out = line(heads) + line(rules);
  for (const auto& row : table.rows) out += line(escaped(row, "–", escape_markdown));
  return out;
}

std::string render_tex(const Table& table) {
  std::string align;
  for (const bool is_numeric : numeric_columns(table)) align += is_numeric ? 'r' : 'l';
  std::vector<std::string> heads;
  for (const std::string& column : table.columns) heads.push_back(escape_tex(column));
  std::string out = fmt::format("\\begin{{tabular}}{{{}}}\n\\toprule\n{} \\\\\n\\midrule\n", align,
                                join(heads, " & "));
  for (const auto& row : table.rows) {
    out += join(escaped(row, "--", escape_tex), " & ") + " \\\\\n";
  }
  return out + "\\bottomrule\n\\end{tabular}\n";
}

std::string render_csv(const Table& table) {
  std::vector<std::string> fields;
  for (const std::string& column : table.columns) fields.push_back(escape_csv(column));
  std::string out = join(fields, ",") + "\r\n";
  for (const auto& row : table.rows) {
    fields.clear();
    for (const json& value : row) {
      if (value.is_null()) {
        fields.emplace_back();
      } else {  // numbers in full
        fields.push_back(escape_csv(value.is_string() ? value.get<std::string>() : value.dump()));
      }
    }
    out += join(fields, ",") + "\r\n";
  }
  return out;
}

nlohmann::ordered_json object_of(const Table& table, const std::vector<json>& row) {
  auto out = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < row.size(); ++i) out[table.columns[i]] = row[i];
  return out;
}

// Text that is no UTF-8 (a path, a message of a library) must not stop the output.
std::string dump(const nlohmann::ordered_json& document) {
  return document.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string render_json(const Table& table) {
  std::string out = "{\"schema_version\": 1, \"rows\": [";
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    out += (i == 0 ? "\n" : ",\n") + dump(object_of(table, table.rows[i]));
  }
  return out + (table.rows.empty() ? "]}\n" : "\n]}\n");
}

std::string render_json_lines(const Table& table) {
  std::string out;
  for (const auto& row : table.rows) out += dump(object_of(table, row)) + "\n";
  return out;
}

}  // namespace

const std::vector<std::string>& format_names() {
  static const std::vector<std::string> names{"table", "md", "csv", "json", "jsonl", "tex"};
  return names;
}

Format format_from_name(std::string_view name) {
  const auto& names = format_names();
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) throw ConfigError(unknown_name_message("format", name, names));
  return static_cast<Format>(found - names.begin());
}

bool is_for_people(Format format) {
  return format == Format::table || format == Format::md || format == Format::tex;
}

Table make_table(std::vector<json> objects, std::vector<std::string> columns) {
  Table out{std::move(columns), {}};
  out.rows.reserve(objects.size());
  for (json& object : objects) {
    auto& row = out.rows.emplace_back();
    row.reserve(out.columns.size());
    for (const std::string& column : out.columns) {
      const auto found = object.find(column);
      row.push_back(found == object.end() ? json() : std::move(*found));
    }
  }
  return out;
}

std::string render(const Table& table, Format format, std::size_t width) {
  switch (format) {
    case Format::table:
      return render_text(table, width);
    case Format::md:
      return render_markdown(table);
    case Format::csv:
      return render_csv(table);
    case Format::json:
      return render_json(table);
    case Format::jsonl:
      return render_json_lines(table);
    case Format::tex:
      return render_tex(table);
  }
  throw InternalError("a format without a renderer");
}

std::size_t output_width() {
  if (const char* text = std::getenv("COLUMNS")) {
    std::size_t columns = 0;
    const char* end = text + std::char_traits<char>::length(text);
    const auto [stop, error] = std::from_chars(text, end, columns);
    if (error == std::errc() && stop == end) return columns;
  }
  winsize size{};
  if (::isatty(STDOUT_FILENO) == 1 && ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
    return size.ws_col;
  }
  return 0;
}

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

std::string short_key(std::string_view key) { return std::string(key.substr(0, 12)); }

}  // namespace bitsweep::cli
