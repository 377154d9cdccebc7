// The tables of a report. Every cell that shows a result links to the trials behind it.
#pragma once

#include <string>
#include <vector>

#include "report/document.h"
#include "report/group.h"
#include "report/verdict.h"

namespace bitsweep::report {

// published | ours mean ± sd (n) | difference | verdict, one row a claim.
Table claims_table(const std::vector<Judgement>& judgements);

// [[table]]: rows × columns; four columns each where a claim speaks about one of its cells. Throws
// ConfigError for a `where` that cannot be read.
Table layout_table(const TableLayout& layout, const std::vector<Group>& groups,
                   const std::vector<Judgement>& judgements);

// One row a configuration: axes, average bits, accuracies with their interval, difference to the
// unquantized row with McNemar's p on the same images, loss, seconds.
Table overview_table(const std::vector<Group>& groups);

// McNemar between the configurations that have bitmaps: p above the diagonal, images that only the
// row · only the column gets right below it. At most kPairedRows configurations; empty below two.
inline constexpr std::size_t kPairedRows = 10;
Table paired_table(const std::vector<Group>& groups);

// Every trial with its status and the command that runs it (again); the anchors of the cells.
Table trials_table(const ReportInput& input, const std::vector<Group>& groups);

}  // namespace bitsweep::report
