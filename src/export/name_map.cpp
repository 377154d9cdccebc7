#include "export/name_map.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/error.h"
#include "export/name_map_texts.h"

namespace bitsweep::exporting {

NameMap::NameMap(std::string name, std::string_view json_text) : name_(std::move(name)) {
  try {
    const auto map = nlohmann::json::parse(json_text);
    summary_ = map.at("summary").get<std::string>();
    for (const auto& rule : map.at("rules")) {
      const bool ignore = rule.value("ignore", false);
      rules_.push_back({std::regex(rule.at("match").get<std::string>()),
                        ignore ? "" : rule.at("name").get<std::string>(), ignore});
    }
  } catch (const std::exception& error) {
    throw ConfigError(fmt::format("name map '{}': {}", name_, error.what()));
  }
}

std::optional<NameMap::Target> NameMap::translate(const std::string& file_name) const {
  for (const Rule& rule : rules_) {
    std::smatch groups;
    if (std::regex_match(file_name, groups, rule.match)) {
      return Target{groups.format(rule.replacement), rule.ignore};
    }
  }
  return std::nullopt;
}

const std::vector<NameMap>& name_maps() {
  static const std::vector<NameMap> maps = [] {
    std::vector<NameMap> out;
    for (const auto& [name, text] : name_map_texts()) out.emplace_back(std::string(name), text);
    return out;
  }();
  return maps;
}

const NameMap& choose_name_map(std::span<const std::string> file_names) {
  const auto fits = [&](const NameMap& map) {
    return std::ranges::all_of(
        file_names, [&](const std::string& name) { return map.translate(name).has_value(); });
  };
  const auto it = std::ranges::find_if(name_maps(), fits);
  BITSWEEP_CHECK(it != name_maps().end(), "the last name map does not accept every name");
  return *it;
}

}  // namespace bitsweep::exporting
