// From the gathered input to the finished files of a report folder, all in memory: nothing is
// written before everything could be made.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "report/document.h"
#include "report/input.h"
#include "report/verdict.h"

namespace bitsweep::report {

struct ReportFile {
  std::filesystem::path path;  // within the report folder
  std::string content;
};

struct Report {
  std::vector<ReportFile> files;    // report.md last
  std::vector<std::string> missed;  // ids of the claims that --gate refuses, with their verdicts
};

// Throws ConfigError for a claim or a table that cannot be read or matches nothing,
// EnvironmentError where gnuplot is missing.
Report compose(const ReportInput& input);

// Writes each file atomically and removes figures of an older report. Other files in `folder` stay.
// Throws EnvironmentError. Returns the path of report.md.
std::filesystem::path write_report(const Report& report, const std::filesystem::path& folder);

}  // namespace bitsweep::report
