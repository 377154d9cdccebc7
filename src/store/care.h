// Care of the database: rebuilding it from the run folders, checking the two against each other,
// taking in trials from elsewhere, removing failed attempts. Commands: `bitsweep db`, `bitsweep
// gc`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "store/store.h"

namespace bitsweep::store {

enum class MissingFolders {
  refuse,  // attempts in the database without a folder stop the rebuild: it would lose them
  drop,
};

struct Rebuilt {
  std::size_t trials = 0;
  std::size_t attempts = 0;
  std::filesystem::path set_aside;    // where a damaged database was moved; empty if it was sound
  std::vector<std::string> problems;  // folders that could not be read, each a sentence
};
// Recreates every row from sweeps/ and runs/ beside the database, in one transaction; a file that
// is no sound database is moved aside first. Throws StoreError (newer schema, or MissingFolders).
Rebuilt rebuild(const std::filesystem::path& path, MissingFolders missing);

// What is wrong with the database, or between it and the run folders, each a sentence.
std::vector<std::string> verify(const Store& store);

struct Imported {
  std::size_t trials = 0;            // new ones
  std::size_t attempts = 0;          // new ones
  std::size_t known = 0;             // attempts that were here already
  std::vector<std::string> skipped;  // what was not taken, each a sentence
};
// A report's trials.jsonl (record.h). Each new attempt gets a run folder, so that a rebuild keeps
// it. An attempt is known by its trial and the millisecond it started at. Throws DataError naming
// the line, before anything is written.
Imported import_trials(Store& store, const std::filesystem::path& jsonl);
// Another database: its sweeps, trials and attempts, bitmaps and series included.
Imported merge(Store& store, const Store& other);

struct Removable {
  std::string key;
  std::int64_t number = 0;
  std::string failure_class;
  std::filesystem::path folder;
  std::uint64_t bytes = 0;
};
enum class Garbage {
  superseded,  // failed or preempted attempts of trials that have succeeded since
  all_failed,  // every failed or preempted attempt
};
std::vector<Removable> removable_attempts(const Store& store, Garbage garbage);
// Checkpoints of trials that have succeeded: nothing resumes from them any more.
struct SpareCheckpoint {
  std::string key;
  std::int64_t number = 0;  // of the attempt
  std::filesystem::path path;
  std::uint64_t bytes = 0;
};
std::vector<SpareCheckpoint> spare_checkpoints(const Store& store);
// Removes folder and row.
void remove_attempt(Store& store, const Removable& attempt);

}  // namespace bitsweep::store
