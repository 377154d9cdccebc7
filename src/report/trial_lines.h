// trials.jsonl of a report folder: what outlives the database.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "report/group.h"

namespace bitsweep::report {

// One JSON object a line, as store::to_json writes a trial with its attempts, and "cell": the
// anchor of its configuration in the report.
std::string trial_lines(const std::vector<Group>& groups);

// The keys of the trials behind one cell ("c3") of the report in `folder`, in order. Throws
// DataError where the folder holds no report, ConfigError where the report has no such cell.
std::vector<std::string> keys_of_cell(const std::filesystem::path& folder, std::string_view cell);

}  // namespace bitsweep::report
