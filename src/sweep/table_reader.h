// One table of a sweep file, its keys checked against those it may have, its values against their
// types.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/toml.h"

namespace bitsweep::sweep {

class TableReader {
 public:
  // `what` stands in messages: "[[axis]]". Throws ConfigError where `entry` is no table or has a
  // key outside `known`, with the nearest known one. `entry` must outlive this.
  TableReader(const config::Entry& entry, std::string what, std::vector<std::string> known);

  // The entry under `key`, one of `known`; nullptr where there is none.
  const config::Entry* entry(std::string_view key) const;
  std::optional<std::string> text(std::string_view key) const;
  std::string required_text(std::string_view key) const;     // not empty
  std::optional<double> number(std::string_view key) const;  // finite
  // A list that is not empty.
  config::List required_list(std::string_view key) const;
  // One text or a list of texts.
  std::vector<std::string> texts(std::string_view key) const;

  std::string place() const { return entry_.place(); }
  const std::string& file() const { return *entry_.file; }
  // ConfigError at the key, or at the table where the key is absent.
  [[noreturn]] void refuse(std::string_view key, std::string_view why) const;

 private:
  const config::Entry& entry_;
  std::string what_;
  std::vector<std::string> known_;
};

// The tables of an array of tables ([[axis]]); none where `root` has no such key. Throws
// ConfigError where it is something else.
std::vector<const config::Entry*> tables_under(const config::Entry& root, std::string_view key);

}  // namespace bitsweep::sweep
