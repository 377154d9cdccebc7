// What stands in single cells of tables.
#pragma once

#include <string>
#include <vector>

#include "report/document.h"
#include "report/group.h"
#include "report/verdict.h"

namespace bitsweep::report {

// `text` with a link to the group's trials.
Text linked(const Group& group, std::string text);

// mean ± sd (n) with a link to the trials; "not run" or "failed (class)" where there is no result.
Text result_cell(const Group& group, const std::string& metric);

// With the digits that the source prints, else as few as say the same.
std::string published_text(const store::ClaimRecord& claim);

// "−0.35 (−0.90 … +0.20)"; "" where nothing was compared.
std::string difference_text(const Judgement& judgement);

// The verdict with its reason, and the command where one would help.
Text verdict_cell(const Judgement& judgement);

// One cell an axis (at least one); a point outside the product has its name in the first.
std::vector<Text> axis_cells(const Group& group, const std::vector<std::string>& axes);

}  // namespace bitsweep::report
