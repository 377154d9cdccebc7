#include "sweep/table_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/error.h"
#include "core/text.h"

namespace bitsweep::sweep {

TableReader::TableReader(const config::Entry& entry, std::string what,
                         std::vector<std::string> known)
    : entry_(entry), what_(std::move(what)), known_(std::move(known)) {
  if (entry_.table() == nullptr) {
    throw ConfigError(fmt::format("{}: {} = {} is not allowed; expected a table", entry_.place(),
                                  what_, config::format_value(config::to_value(entry_))));
  }
  for (const config::EntryItem& item : *entry_.table()) {
    if (std::find(known_.begin(), known_.end(), item.key) != known_.end()) continue;
    throw ConfigError(fmt::format("{}: {}", item.place(),
                                  unknown_name_message("key of " + what_, item.key, known_)));
  }
}

const config::Entry* TableReader::entry(std::string_view key) const {
  BITSWEEP_CHECK(std::find(known_.begin(), known_.end(), key) != known_.end(),
                 "{} is read for a key '{}' that it does not know", what_, key);
  return entry_.find(key);
}

std::optional<std::string> TableReader::text(std::string_view key) const {
  const config::Entry* found = entry(key);
  if (found == nullptr) return std::nullopt;
  const auto* text = found->value() ? found->value()->as<std::string>() : nullptr;
  if (text == nullptr || trim(*text).empty()) refuse(key, "expected a text in quotation marks");
  return *text;
}

std::string TableReader::required_text(std::string_view key) const {
  if (auto found = text(key)) return *std::move(found);
  refuse(key, "expected a text in quotation marks");
}

std::optional<double> TableReader::number(std::string_view key) const {
  const config::Entry* found = entry(key);
  if (found == nullptr) return std::nullopt;
  if (found->value() == nullptr || !config::is_number(*found->value()) ||
      found->value()->as<bool>() || !std::isfinite(config::to_real(*found->value()))) {
    refuse(key, "expected a number");
  }
  return config::to_real(*found->value());
}

config::List TableReader::required_list(std::string_view key) const {
  const config::Entry* found = entry(key);
  const config::Value value = found ? config::to_value(*found) : config::Value();
  const auto* list = value.as<config::List>();
  if (list == nullptr || list->empty()) refuse(key, "expected a list with at least one value");
  return *list;
}

std::vector<std::string> TableReader::texts(std::string_view key) const {
  const config::Entry* found = entry(key);
  if (found == nullptr) return {};
  const auto* list = found->value() ? found->value()->as<config::List>() : nullptr;
  if (list == nullptr) return {required_text(key)};
  std::vector<std::string> out;
  for (const config::Value& element : *list) {
    if (!element.as<std::string>()) refuse(key, "expected a text or a list of texts");
    out.push_back(*element.as<std::string>());
  }
  return out;
}

void TableReader::refuse(std::string_view key, std::string_view why) const {
  if (const config::Entry* found = entry_.find(key)) {
    throw ConfigError(fmt::format("{}: {} = {} is not allowed in {}; {}", found->place(), key,
                                  config::format_value(config::to_value(*found)), what_, why));
  }
  throw ConfigError(fmt::format("{}: {} has no {}; {}", entry_.place(), what_, key, why));
}

std::vector<const config::Entry*> tables_under(const config::Entry& root, std::string_view key) {
  const config::Entry* found = root.find(key);
  if (found == nullptr) return {};
  if (found->list() == nullptr) {
    throw ConfigError(
        fmt::format("{}: '{}' is written as [[{}]] tables", found->place(), key, key));
  }
  std::vector<const config::Entry*> out;
  for (const config::Entry& table : *found->list()) out.push_back(&table);
  return out;
}

}  // namespace bitsweep::sweep
