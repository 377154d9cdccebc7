// Records into and out of the tables: the only file with the columns' names, apart from the
// migrations and the row builder (rows.cpp). Everything here runs inside a transaction of the
// caller.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "store/folder.h"
#include "store/record.h"

namespace bitsweep::store {

// Writes many trials with statements prepared once.
class TrialWriter {
 public:
  explicit TrialWriter(SQLite::Database& connection);
  // Trial and configuration; one that is known stays as it is. Not its memberships.
  void put(const TrialRecord& trial);
  // Whether anything changed.
  bool put(const std::string& key, const Membership& membership);
  // As put, but leaves a membership that is there.
  void put_if_missing(const std::string& key, const Membership& membership);

 private:
  void bind_and_run(SQLite::Statement& statement, const std::string& key,
                    const Membership& membership);

  SQLite::Statement trial_;
  SQLite::Statement configuration_;
  SQLite::Statement configuration_key_;
  SQLite::Statement sweep_;
  SQLite::Statement membership_;
  SQLite::Statement membership_if_missing_;
  std::unordered_set<std::string> known_keys_;
  std::unordered_set<std::string> known_sweeps_;
};

// Inserts, or replaces the attempt of that key and number.
void put_attempt(SQLite::Database& connection, const AttemptRecord& attempt);
void put_series(SQLite::Database& connection, std::int64_t attempt_id, std::int64_t first_position,
                std::span<const MetricPoint> points);

std::optional<TrialRecord> read_trial(SQLite::Database& connection, std::string_view key);
AttemptRecord read_attempt(SQLite::Database& connection, std::int64_t id);
std::vector<std::int64_t> attempt_ids(SQLite::Database& connection, std::string_view key);

std::optional<SweepRecord> read_sweep(SQLite::Database& connection, std::string_view name);
// Whether anything changed.
bool put_sweep_row(SQLite::Database& connection, const SweepRecord& sweep);
// The sweep with its trials, as sweeps/<name>.json holds them.
SweepFile read_whole_sweep(SQLite::Database& connection, std::string_view name);
// In plan order.
std::vector<std::string> keys_of_sweep(SQLite::Database& connection, std::string_view name);
std::vector<std::string> all_keys(SQLite::Database& connection);         // sorted
std::vector<std::string> all_sweep_names(SQLite::Database& connection);  // sorted

}  // namespace bitsweep::store
