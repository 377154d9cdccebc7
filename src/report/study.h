// A report folder that is no sweep's: a document, its figures and one table of data. Analyses
// (`bitsweep analyse`) end in one.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "report/document.h"
#include "report/plot.h"

namespace bitsweep::report {

struct Study {
  Document document;
  std::vector<Drawing> drawings;  // what the FigureBlocks of `document` name
  std::string csv;                // data.csv: every number of the study; accuracies are fractions
};

// Writes report.md, data.csv and fig/<id>.png, .svg, .csv, each atomically; other files in `folder`
// stay. Throws EnvironmentError where gnuplot is missing, before anything is written. Returns the
// path of report.md.
std::filesystem::path write_study(const Study& study, const std::filesystem::path& folder);

}  // namespace bitsweep::report
