// Evaluations of an analysis: variations of one recipe, run as ordinary trials of a sweep named
// after both, so that they are kept, found again and shown by `ls` and `query` like any other.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/run_plan.h"
#include "config/settings.h"
#include "sweep/plan.h"
#include "sweep/sweep.h"

namespace bitsweep::cli {

struct AnalysisOptions : RunOptions {
  std::string folder;  // "": reports/<sweep>
  std::string metric = "loss";
  const CLI::App* app = nullptr;   // whose options these are
  std::size_t first_of_study = 0;  // of the app's options, those that say what is measured
};

// The command that makes the study again: changes and options, without those that say where and how
// it runs.
std::string study_command(const AnalysisOptions& options);

// Every option of `run`, the folder and the metric. `word` is the analysis.
void add_analysis_options(CLI::App& app, AnalysisOptions& options, const std::string& word);

// One variation of the recipe.
struct Variation {
  std::string name;  // "layer1.0.conv1.weight=4": unique in its analysis
  config::Settings settings;
};

// What its trial said.
struct Measured {
  std::string name;
  std::string key;
  std::int64_t images = 0;
  std::int64_t correct = 0;
  double top1 = 0;
  double loss = 0;
  nlohmann::json metrics;  // all of them, by name
};

class Evaluator {
 public:
  // Reads the recipe. Throws ConfigError where the file asks for more than one trial, and as
  // `plan`.
  Evaluator(const AnalysisOptions& options, const std::string& word);

  // The one trial of the file, command line applied.
  const config::Settings& recipe() const { return recipe_.settings; }
  const std::string& name() const { return sweep_.name; }  // "<recipe>-<word>"
  const std::vector<std::string>& lints() const { return lints_; }

  // Runs what is not done of these; results in their order. Nothing where the run was stopped or a
  // trial failed: exit_code() then says what the command ends with.
  std::optional<std::vector<Measured>> measure(const std::vector<Variation>& variations);
  ExitCode exit_code() const { return tally_.exit_code(); }

  // The last line on stderr, as of `run`.
  void print_tally() const;

  // What a smaller value of the metric means less of: loss itself, or the share of errors.
  double badness(const Measured& measured) const;
  // "loss", "top-1 error".
  std::string badness_heading() const;

  std::filesystem::path folder() const;

 private:
  void note_lints(const sweep::Plan& plan);

  const AnalysisOptions& options_;
  sweep::SweepFile sweep_;
  sweep::PlannedTrial recipe_;
  std::vector<run::Slot> slots_;
  std::vector<std::string> lints_;
  RunTally tally_;
  double seconds_ = 0;
};

}  // namespace bitsweep::cli
