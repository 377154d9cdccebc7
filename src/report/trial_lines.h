// trials.jsonl of a report folder: what outlives the database.
#pragma once

#include <string>
#include <vector>

#include "report/group.h"

namespace bitsweep::report {

// One JSON object a line, as store::to_json writes a trial with its attempts, and "cell": the
// anchor of its configuration in the report.
std::string trial_lines(const std::vector<Group>& groups);

}  // namespace bitsweep::report
