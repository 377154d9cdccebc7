// TOML files as a tree that remembers where each thing stands. toml++ is known to toml.cpp alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "config/value.h"

namespace bitsweep::config {

struct Entry;

// Keys in alphabetical order within a table; lists of tables in file order.
struct EntryItem;
using EntryTable = std::vector<EntryItem>;
using EntryList = std::vector<Entry>;

// A value, a table, or a list whose elements are all tables ([[axis]], or an inline list of inline
// tables). An empty list is a Value.
struct Entry {
  std::variant<Value, EntryTable, EntryList> content;
  int line = 0;
  int column = 0;
  std::shared_ptr<const std::string> file;  // as shown in messages

  const Value* value() const { return std::get_if<Value>(&content); }
  const EntryTable* table() const { return std::get_if<EntryTable>(&content); }
  const EntryList* list() const { return std::get_if<EntryList>(&content); }
  // Of a table: the entry under `key`; nullptr where there is none or this is no table.
  const Entry* find(std::string_view key) const;
  // "sweeps/x.toml:7:21"
  std::string place() const;
};

struct EntryItem {
  std::string key;
  Entry entry;
  int line = 0;  // of the key
  int column = 0;
  std::string place() const;
};

struct Document {
  std::filesystem::path path;
  std::string text;  // as read
  Entry root;        // a table
};

// Reads a file of at most 16 MiB. A byte-order mark and CRLF line ends are accepted. Throws
// ConfigError with file, line and column for a file that is missing, too large, not UTF-8, holds a
// NUL byte, nests deeper than 32 levels, says a thing twice or is not TOML.
Document read_toml(const std::filesystem::path& path);
// The same from memory; `name` stands in messages.
Document parse_toml(std::string_view text, const std::filesystem::path& name);

// Any entry as one value; tables become Table.
Value to_value(const Entry& entry);

// The right side of `key=value` on a command line: a TOML value, else the text itself as a string.
// Throws ConfigError where it begins as a string, list or table and is none.
Value parse_toml_value(std::string_view text);

}  // namespace bitsweep::config
