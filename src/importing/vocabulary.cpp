#include "importing/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/settings.h"
#include "core/error.h"
#include "core/text.h"

namespace bitsweep::importing {
namespace {

std::vector<std::string> names_of(const std::vector<const Vocabulary*>& which) {
  std::vector<std::string> out;
  for (const Vocabulary* one : which) out.push_back(one->name);
  return out;
}

// Text of others as comment lines: nothing in it ends the comment.
std::string comment(std::string_view text) {
  std::string out = "#";
  bool at_start = true;
  for (const char c : text) {
    if (c == '\n') {
      out += "\n#";
      at_start = true;
      continue;
    }
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) continue;
    if (at_start) out += ' ';
    at_start = false;
    out += c;
  }
  return out + "\n";
}

std::string table_of(const std::string& key) {
  const std::size_t dot = key.rfind('.');
  return dot == std::string::npos ? "" : key.substr(0, dot);
}

}  // namespace

const Vocabulary& vocabulary_for(const ImportInput& input, const std::string& from) {
  if (!from.empty()) return vocabularies().get(from);
  std::vector<const Vocabulary*> fitting;
  for (const Vocabulary& one : vocabularies().entries()) {
    if (one.recognises(input.text)) fitting.push_back(&one);
  }
  if (fitting.size() == 1) return *fitting.front();
  if (fitting.empty()) {
    throw ConfigError(fmt::format("{}: looks like none of the vocabularies {}; say which by --from",
                                  input.place, join(vocabularies().names(), ", ")));
  }
  throw ConfigError(fmt::format("{}: could be any of {}; say which by --from", input.place,
                                join(names_of(fitting), ", ")));
}

std::string to_toml(const ImportedTrial& trial) {
  std::string out;
  for (const std::string& line : trial.head) out += comment(line);
  for (const std::string& note : trial.notes) out += comment("Note: " + note);
  out += fmt::format("schema = 1\nname = {}\n", config::format_value(config::Value(trial.name)));
  std::string table;
  for (const auto& [key, value] : trial.keys) {
    static_cast<void>(config::assignment(key, value, "import-config"));
    if (const std::string own = table_of(key); own != table) {
      out += fmt::format("\n[{}]\n", own);
      table = own;
    }
    const std::string last = table.empty() ? key : key.substr(table.size() + 1);
    out += fmt::format("{} = {}\n", last, config::format_value(value));
  }
  return out;
}

}  // namespace bitsweep::importing
