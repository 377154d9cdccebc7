// The tables of a report. Every cell that shows a result links to the trials behind it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "report/document.h"
#include "report/group.h"
#include "report/verdict.h"

namespace bitsweep::report {

// Accuracies that some trial has, the top1 family before the top5 family, else alphabetical.
std::vector<std::string> accuracy_metrics(const std::vector<Group>& groups);

// Axes that take more than one value, in file order.
std::vector<std::string> varying_axes(const std::vector<Group>& groups);

// Those of `axes` that still vary among groups which agree on all of `names`.
std::vector<std::string> undecided_axes(const std::vector<const Group*>& groups,
                                        const std::vector<std::string>& axes,
                                        const std::vector<std::string>& names);

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

// Fingerprints of the successful attempts, flattened: name → value → how many trials.
using Provenance = std::map<std::string, std::map<std::string, std::int64_t>>;
Provenance provenance_of(const ReportInput& input);
Table provenance_table(const Provenance& provenance);

}  // namespace bitsweep::report
