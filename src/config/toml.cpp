#include "config/toml.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <optional>

#include "config/toml_limits.h"
#include "core/error.h"
#include "core/file.h"
#include "core/text.h"

namespace bitsweep::config {
namespace {

constexpr std::uint64_t kMaxFileBytes = 16ull << 20;

std::string place_at(const std::string& file, int line, int column) {
  return fmt::format("{}:{}:{}", file, line, column);
}

// Turns the nodes of one document into entries.
class Converter {
 public:
  explicit Converter(std::shared_ptr<const std::string> file) : file_(std::move(file)) {}

  Entry convert(const toml::node& node) const {
    if (const auto* table = node.as_table()) return at(node, convert_table(*table));
    if (const auto* array = node.as_array()) {
      if (!array->empty() && std::all_of(array->begin(), array->end(),
                                         [](const toml::node& item) { return item.is_table(); })) {
        EntryList list;
        for (const toml::node& item : *array) list.push_back(convert(item));
        return at(node, std::move(list));
      }
    }
    return at(node, convert_value(node));
  }

 private:
  template <typename Content>
  Entry at(const toml::node& node, Content content) const {
    return {std::move(content), static_cast<int>(node.source().begin.line),
            static_cast<int>(node.source().begin.column), file_};
  }

  EntryTable convert_table(const toml::table& table) const {
    EntryTable out;
    for (const auto& [key, node] : table) {
      EntryItem item{std::string(key.str()), convert(node),
                     static_cast<int>(key.source().begin.line),
                     static_cast<int>(key.source().begin.column)};
      // A table that a header or a dotted key implies has no position of its own.
      if (item.entry.line == 0) {
        item.entry.line = item.line;
        item.entry.column = item.column;
      }
      out.push_back(std::move(item));
    }
    return out;
  }

  Value convert_value(const toml::node& node) const {
    if (const auto* text = node.as_string()) return text->get();
    if (const auto* integer = node.as_integer()) return integer->get();
    if (const auto* real = node.as_floating_point()) return real->get();
    if (const auto* flag = node.as_boolean()) return flag->get();
    if (const auto* array = node.as_array()) {
      List list;
      for (const toml::node& item : *array) list.push_back(convert_value(item));
      return list;
    }
    if (const auto* table = node.as_table()) {
      Table out;
      for (const auto& [key, item] : *table) {
        out.emplace_back(std::string(key.str()), convert_value(item));
      }
      return out;
    }
    throw ConfigError(fmt::format("{}: a date or time; no key takes one, write it as a string",
                                  place_at(*file_, static_cast<int>(node.source().begin.line),
                                           static_cast<int>(node.source().begin.column))));
  }

  std::shared_ptr<const std::string> file_;
};

// toml++ tells what it was doing before it tells what was wrong, and may quote a line break.
std::string plain_sentence(std::string_view description) {
  if (description.starts_with("Error while parsing ")) {
    if (const auto colon = description.find(": "); colon != std::string_view::npos) {
      description.remove_prefix(colon + 2);
    }
  }
  std::string out = "not valid TOML: ";
  for (const char c : description) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return out;
}

std::string sentence(const toml::parse_error& error) {
  const std::string_view description = error.description();
  for (const std::string_view twice :
       {"cannot redefine existing", "already exists", "cannot insert", "cannot be redefined"}) {
    if (description.find(twice) == std::string_view::npos) continue;
    const auto quote = description.find('\'');
    const auto end = description.find('\'', quote + 1);
    if (quote == std::string_view::npos || end == std::string_view::npos) break;
    return fmt::format("'{}' is given twice", description.substr(quote + 1, end - quote - 1));
  }
  return plain_sentence(description);
}

}  // namespace

const Entry* Entry::find(std::string_view key) const {
  const EntryTable* items = table();
  if (items == nullptr) return nullptr;
  const auto it = std::find_if(items->begin(), items->end(),
                               [&](const EntryItem& item) { return item.key == key; });
  return it == items->end() ? nullptr : &it->entry;
}

std::string Entry::place() const { return place_at(*file, line, column); }
std::string EntryItem::place() const { return place_at(*entry.file, line, column); }

Document parse_toml(std::string_view text, const std::filesystem::path& name) {
  const auto file = std::make_shared<const std::string>(name.string());
  check_toml_limits(text, *file);
  try {
    const toml::table table = toml::parse(text);
    return {name, std::string(text), Converter(file).convert(table)};
  } catch (const toml::parse_error& error) {
    throw ConfigError(fmt::format("{}: {}",
                                  place_at(*file, static_cast<int>(error.source().begin.line),
                                           static_cast<int>(error.source().begin.column)),
                                  sentence(error)));
  }
}

Document read_toml(const std::filesystem::path& path) {
  try {
    return parse_toml(read_text_file(path, kMaxFileBytes), path);
  } catch (const DataError& error) {  // missing or too large: here that is a wrong argument
    throw ConfigError(error.what());
  }
}

Value to_value(const Entry& entry) {
  if (const Value* value = entry.value()) return *value;
  if (const EntryTable* table = entry.table()) {
    Table out;
    for (const EntryItem& item : *table) out.emplace_back(item.key, to_value(item.entry));
    return out;
  }
  List out;
  for (const Entry& item : *entry.list()) out.push_back(to_value(item));
  return out;
}

Value parse_toml_value(std::string_view text) {
  text = trim(text);
  std::optional<Value> value;
  try {
    const Document document = parse_toml(fmt::format("value = {}", text), "command line");
    const Entry* entry = document.root.find("value");
    if (entry && document.root.table()->size() == 1) value = to_value(*entry);
  } catch (const ConfigError&) {
    if (!text.empty() && std::string_view("\"'[{").find(text.front()) != std::string_view::npos) {
      throw ConfigError(fmt::format("command line: {} is no TOML value", text));
    }
  }
  // `4#b` is a word, not the number 4 with a comment.
  const bool is_plain =
      value && !value->as<std::string>() && !value->as<List>() && !value->as<Table>();
  if (!value || (is_plain && text.find('#') != std::string_view::npos)) return std::string(text);
  return *value;
}

}  // namespace bitsweep::config
