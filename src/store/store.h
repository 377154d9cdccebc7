// The database of every number: an index in SQLite (WAL) over the run folders, which are the truth
// (store/folder.h). Only the supervisor writes it; any number of processes read it meanwhile.
// Schema, views and folder layout: docs/database.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "store/record.h"

namespace bitsweep::store {

class Database;

enum class Access {
  read,   // the file must exist
  write,  // created where it is missing
};

// What is known of one trial: enough for `plan` and `run` to decide.
struct TrialState {
  bool known = false;  // the database has this key
  Status status = Status::queued;
  std::int64_t attempts = 0;  // all of them
  std::int64_t successes = 0;
  std::int64_t failures = 0;  // attempts that failed (not: preempted) since the last success
  std::string failure_class;  // of the attempt that gave the status; "" unless it failed
  std::string message;
  std::optional<double> seconds;
  nlohmann::json numerics_version;
};

// One attempt that this process runs. While it lives, no other process takes the attempt for dead.
struct Attempt {
  std::string key;
  std::int64_t number = 0;
  std::filesystem::path folder;  // absolute
  std::int64_t started_ms = 0;
  FileLock supervisor_lock;
};

struct AttemptStart {
  std::string device;                                     // "cpu", "cuda:0"
  std::string command;                                    // what was typed
  nlohmann::json fingerprint = nlohmann::json::object();  // so far
  // Successful attempts that the caller knew of when it decided. More of them by now: the trial is
  // done. Unset: begin whatever there is.
  std::optional<std::int64_t> successes_seen = std::nullopt;
};

// Which trials, and how much of each row is built.
struct RowFilter {
  std::string sweep;  // "" = all; a trial of several sweeps shows the alphabetically first
  std::vector<std::string> keys;  // empty = all
  // Columns to build; empty = all. Leaving out configuration keys is what makes `ls` fast.
  std::vector<std::string> columns;
};

// Belongs to one thread.
class Store {
 public:
  // Throws StoreError: not a database, damaged, of another program, of a newer schema (names both
  // versions), folder not writable, missing (Access::read).
  static Store open(const std::filesystem::path& path, Access access);
  // Nothing where the file does not exist.
  static std::optional<Store> open_if_exists(const std::filesystem::path& path);

  Store(Store&&) noexcept;
  Store& operator=(Store&&) noexcept;
  ~Store();

  const std::filesystem::path& path() const;
  std::filesystem::path runs_folder() const;    // <folder of the database>/runs
  std::filesystem::path sweeps_folder() const;  // <folder of the database>/sweeps

  // --- what the supervisor writes ------------------------------------------------------------

  // One transaction. Trials that are known stay as they are. Memberships add to those of the same
  // sweep text, and replace those of an older text: an edited sweep forgets the points it dropped
  // (their trials stay). Also writes sweeps_folder()/<name>.json, from which `db rebuild` works.
  void put_sweep(const SweepRecord& sweep, std::span<const TrialRecord> trials);

  // Makes the attempt's folder with attempt.json, then the row, status running. Nothing where
  // another process is running this trial now, or has done it since the caller looked.
  std::optional<Attempt> begin_attempt(const std::string& key, const AttemptStart& start);
  // One transaction; points are also the supervisor's to append to the folder's events.jsonl.
  void add_metrics(const Attempt& attempt, std::span<const MetricPoint> points);
  // Reads result.json and the bitmaps from the folder: one transaction. Throws DataError where they
  // are damaged or of another trial.
  AttemptRecord finish_attempt(const Attempt& attempt);
  // Writes failure.json, then the row.
  AttemptRecord fail_attempt(const Attempt& attempt, const Failure& failure);

  // Attempts marked running whose locks are free (their process died): with result.json they become
  // what it says, else preempted. Returns those resolved and those that really run.
  struct Reconciled {
    std::vector<std::string> resolved;  // "<key>/<number>"
    std::vector<std::string> running;
  };
  Reconciled reconcile();

  // --- what everybody reads ------------------------------------------------------------------

  std::vector<TrialState> state_of(std::span<const std::string> keys) const;

  // One flat object a trial: key, name, status, seed, sweep, group, attempt, started, seconds,
  // failure_class, message, every axis by its label, every configuration key by its dotted name
  // (defaults included, unset null), every final metric. In plan order, sweep by sweep.
  std::vector<nlohmann::json> trial_rows(const RowFilter& filter = {}) const;
  // Every column that a row of trial_rows(filter) can have, in display order (key, name, status,
  // seed …, axes, metrics, configuration), the usual metrics even where no trial has them yet.
  std::vector<std::string> column_names(const RowFilter& filter = {}) const;

  // A name, or at least four digits of a key that no other trial shares. Throws ConfigError listing
  // the candidates, or the nearest name.
  std::string find_trial(std::string_view id) const;

  std::vector<std::string> sweep_names() const;
  std::optional<SweepRecord> sweep(std::string_view name) const;

  TrialRecord trial(std::string_view key) const;                    // throws ConfigError
  std::vector<AttemptRecord> attempts(std::string_view key) const;  // by number
  // The attempt that a trial's row shows: its latest successful, else its latest.
  std::optional<AttemptRecord> shown_attempt(std::string_view key) const;
  // Of the latest successful attempt; nothing where there is none or only its digest is known.
  std::optional<Bitmap> bitmap(std::string_view key, std::string_view evaluation = "top1") const;

  // The artifact `name` of the latest successful attempt, absolute; nothing where there is none.
  std::optional<std::filesystem::path> artifact(std::string_view key, std::string_view name) const;

  // SHA-256 over everything that trials, memberships and attempts say: equal databases have equal
  // digests, however they came about.
  std::string content_digest() const;

  Database& database() const { return *database_; }  // for this room's own files

 private:
  explicit Store(std::unique_ptr<Database> database);
  std::unique_ptr<Database> database_;
};

}  // namespace bitsweep::store
