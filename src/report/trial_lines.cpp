#include "report/trial_lines.h"

#include <fmt/format.h>

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

}  // namespace bitsweep::report
