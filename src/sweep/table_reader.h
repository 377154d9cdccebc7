// One table of a sweep file read key by key: every accessor checks the type and notes the key as
// known, and finish() refuses what nobody asked for.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/toml.h"

namespace bitsweep::sweep {

class TableReader {
 public:
  // `what` stands in messages: "[[axis]]". Throws ConfigError where `entry` is no table.
  TableReader(const config::Entry& entry, std::string what);

  // The entry under `key`, nullptr where there is none.
  const config::Entry* entry(std::string_view key);
  std::optional<std::string> text(std::string_view key);
  std::string required_text(std::string_view key);  // not empty
  std::optional<double> number(std::string_view key);  // finite
  // A list that is not empty.
  config::List required_list(std::string_view key);
  // One text or a list of texts.
  std::vector<std::string> texts(std::string_view key);

  // Throws ConfigError for a key that no accessor was asked for, with the nearest known one.
  void finish() const;

  std::string place() const { return entry_.place(); }
  const std::string& file() const { return *entry_.file; }
  // ConfigError at the key, or at the table where the key is absent.
  [[noreturn]] void refuse(std::string_view key, std::string_view why) const;

 private:
  const config::Entry& entry_;
  std::string what_;
  std::vector<std::string> known_;
};

// The tables of an array of tables ([[axis]]); none where `root` has no such key. Throws ConfigError
// where it is something else.
std::vector<const config::Entry*> tables_under(const config::Entry& root, std::string_view key);

}  // namespace bitsweep::sweep
