// What the analyses' reports have in common: a header, numbers, bars per layer.
#pragma once

#include <string>
#include <vector>

#include "cli/analyses/evaluator.h"
#include "report/study.h"
#include "search/recipe.h"

namespace bitsweep::cli {

// Which knobs an analysis turns.
struct KnobOptions {
  std::string tensors = "both";  // weight | activation | both
  std::string layers = ".*";     // a regular expression that matches whole names
};
void add_knob_options(CLI::App& app, KnobOptions& options);
// Positions of the recipe's knobs. Throws ConfigError where none is left.
std::vector<std::size_t> turned_knobs(const search::Recipe& recipe, const KnobOptions& options);

// A list of widths: "2,3,4,8" or "2..8". Throws ConfigError, with `what` (the option), for anything
// else and for widths outside 1–16. Ascending, each once.
std::vector<int> parse_widths(const std::string& text, const std::string& what);

// Title, what was asked, the measured images and their noise, the command.
report::Document begin_document(const Evaluator& evaluator, const AnalysisOptions& options,
                                const std::string& title, const Measured& reference);
// Lints, where there are any.
void end_document(const Evaluator& evaluator, report::Document& document);

// Writes the study, prints the path of its report.md on stdout and the tally on stderr.
ExitCode finish(const Evaluator& evaluator, const report::Study& study);

// "92.10" (percent), "0.2934".
report::Text percent_cell(const Measured& measured);
std::string loss_text(double loss);
// "+0.0123", "−0.0004".
std::string signed_text(double difference);

// Horizontal bars, one a label, from top to bottom; several series side by side.
struct BarSeries {
  std::string title;
  std::vector<double> values;  // one a label
};
report::Picture bars(const std::vector<std::string>& labels, const std::vector<BarSeries>& series,
                     const std::string& heading);

// Points in named classes, with the staircase of the best over all of them.
struct PointClass {
  std::string title;
  std::vector<std::pair<double, double>> points;  // cost, percent
};
report::Picture staircase(const std::vector<PointClass>& classes, const std::string& cost_heading,
                          const std::string& accuracy_heading);

// Lines with marks: x against y, one a series.
report::Picture lines(const std::vector<PointClass>& series, const std::string& x_heading,
                      const std::string& y_heading);

}  // namespace bitsweep::cli
