#include "report/trial_lines.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/file.h"
#include "core/text.h"

namespace bitsweep::report {

std::string trial_lines(const std::vector<Group>& groups) {
  std::string out;
  for (const Group& group : groups) {
    for (const Run* run : group.runs) {
      nlohmann::json line = store::to_json(run->trial, run->attempts);
      line["cell"] = group.anchor;
      out += line.dump() + "\n";
    }
  }
  return out;
}

std::vector<std::string> keys_of_cell(const std::filesystem::path& folder, std::string_view cell) {
  const auto path = folder / "trials.jsonl";
  std::vector<std::string> keys;
  std::vector<std::string> cells;
  for (const std::string& text : split(read_text_file(path), '\n')) {
    if (text.empty()) continue;
    const auto line = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!line.is_object() || !line.contains("key") || !line.contains("cell") ||
        !line["key"].is_string() || !line["cell"].is_string()) {
      throw DataError(
          fmt::format("{}: line {} is no trial of a report", path.string(), cells.size() + 1));
    }
    cells.push_back(line["cell"]);
    if (cells.back() == cell) keys.push_back(line["key"]);
  }
  if (keys.empty()) {
    cells.erase(std::unique(cells.begin(), cells.end()), cells.end());
    throw ConfigError(
        unknown_name_message(fmt::format("cell of {}", folder.string()), cell, cells));
  }
  return keys;
}

}  // namespace bitsweep::report
