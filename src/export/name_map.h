// How the tensor names of a weight file become those of a network. A map is data, not code: one
// JSON file src/export/name_maps/<word>.json with ordered rules, and the word in
// src/export/meson.build, which compiles the files in. A rule is {"match": anchored regular
// expression, "name": replacement with $1 …} or {"match": …, "ignore": true} for what a network has
// no use for.
#pragma once

#include <optional>
#include <regex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitsweep::exporting {

class NameMap {
 public:
  // Throws ConfigError naming the map where `json_text` is not as described above.
  NameMap(std::string name, std::string_view json_text);

  struct Target {
    std::string name;  // the network's name for it; empty where ignored
    bool ignored = false;
  };
  // By the first rule that matches; nothing where none does.
  std::optional<Target> translate(const std::string& file_name) const;

  const std::string& name() const { return name_; }
  const std::string& summary() const { return summary_; }

 private:
  struct Rule {
    std::regex match;
    std::string replacement;
    bool ignore = false;
  };
  std::string name_;
  std::string summary_;
  std::vector<Rule> rules_;
};

// Every map, most specific first; the last one ("plain") accepts every name as it is.
const std::vector<NameMap>& name_maps();

// The first map with a rule for every one of `file_names`.
const NameMap& choose_name_map(std::span<const std::string> file_names);

}  // namespace bitsweep::exporting
