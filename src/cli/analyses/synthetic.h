// What the analyses of the arithmetic itself have in common: curves, and how they end. Their result
// is one JSON object on stdout; the folder holds the same as a report.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "core/error.h"
#include "report/gnuplot.h"
#include "report/study.h"

namespace CLI {
class App;
}

namespace bitsweep::cli {

struct SyntheticOptions {
  std::string folder;  // "" reports/<word>
};
void add_output_option(CLI::App& app, SyntheticOptions& options, const std::string& word);

struct PlottedCurve {
  std::string title;
  std::vector<double> y;  // one per x
  bool as_points = false;
};
struct VerticalLine {
  std::string title;
  double x = 0;
};
// Curves over the same x, and what is marked on it.
report::Picture curves(const std::vector<double>& x, const std::vector<PlottedCurve>& curves,
                       const std::vector<VerticalLine>& lines, const std::string& x_heading,
                       const std::string& y_heading);

// "x,title,title…" and a line per x.
std::string curves_csv(const std::string& x_heading, const std::vector<double>& x,
                       const std::vector<PlottedCurve>& curves);

// The position of the smallest.
std::size_t least_of(const std::vector<double>& values);

// A document with its title and the command that makes it.
report::Document begin_synthetic(const std::string& title, const std::string& command);

// Writes the study and prints `result`, with schema_version, analysis and report added.
ExitCode finish_synthetic(const report::Study& study, const SyntheticOptions& options,
                          const std::string& word, nlohmann::json result);

}  // namespace bitsweep::cli
