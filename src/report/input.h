// What a report is made from, gathered once (report/collect.h). Everything after it is a pure
// function of this value, so that the same database gives the same bytes: no clock, no absolute
// path, no order that depends on a hash table.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "store/record.h"

namespace bitsweep::report {

// One trial of the sweep.
struct Run {
  store::TrialRecord trial;                    // its membership of this sweep comes first
  std::vector<store::AttemptRecord> attempts;  // by number; empty where it never started
  const store::Membership& membership() const { return trial.memberships.front(); }
  // The attempt that counts: the latest successful, else the latest, else nullptr.
  const store::AttemptRecord* shown() const;
  store::Status status() const;
  // Flat, as `query` shows it: key, name, status, seed, axes, configuration, metrics.
  nlohmann::json row() const;
};

// [[table]]: how results are laid out. `rows` and `columns` name axes or configuration keys.
struct TableLayout {
  std::string title;
  std::string where;  // expression over trial rows; "" takes all
  std::vector<std::string> rows;
  std::vector<std::string> columns;  // empty: one column
  std::string metric = "top1";
};

struct SkippedPoint {
  std::string name;
  std::string reason;
};

struct ReportInput {
  store::SweepRecord sweep;
  std::string source;     // the sweep file as people name it ("sweeps/x.toml"), for commands
  std::vector<Run> runs;  // in plan order
  std::vector<TableLayout> tables;
  std::vector<SkippedPoint> skipped;
  std::vector<std::string> lints;
  std::vector<std::string> notes;  // the sweep's own
};

}  // namespace bitsweep::report
