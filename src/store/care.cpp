#include "store/care.h"

#include <algorithm>
#include <map>
#include <set>

#include "core/file.h"
#include "core/hash.h"
#include "core/text.h"
#include "store/checkpoints.h"
#include "store/database.h"
#include "store/folder.h"
#include "store/tables.h"

namespace bitsweep::store {
namespace {

namespace fs = std::filesystem;

struct AttemptRow {
  std::int64_t id = 0;
  std::string key;
  std::int64_t number = 0;
};

std::vector<AttemptRow> all_attempts(SQLite::Database& connection) {
  SQLite::Statement select(connection, "SELECT id, key, number FROM attempts ORDER BY key, number");
  std::vector<AttemptRow> out;
  while (select.executeStep()) {
    out.push_back({select.getColumn(0).getInt64(), select.getColumn(1).getString(),
                   select.getColumn(2).getInt64()});
  }
  return out;
}

fs::path folder_of(const Store& store, const std::string& key, std::int64_t number) {
  return store.runs_folder() / key / std::to_string(number);
}

// Moves `path` and its write-ahead files to the first free "<path>.damaged[-n]".
fs::path set_aside(const fs::path& path) {
  fs::path to = path.string() + ".damaged";
  for (int i = 2; fs::exists(to); ++i) to = fmt::format("{}.damaged-{}", path.string(), i);
  fs::rename(path, to);
  std::error_code none_there;
  for (const char* suffix : {"-wal", "-shm"}) {
    fs::rename(path.string() + suffix, to.string() + suffix, none_there);
  }
  return to;
}

// A sound database to rebuild in, and where an unsound one went.
std::pair<Store, fs::path> open_for_rebuild(const fs::path& path) {
  try {
    Store store = Store::open(path, Access::write);
    const std::string check = store.database().guarded([&] {
      return store.database().connection().execAndGet("PRAGMA integrity_check").getString();
    });
    if (check == "ok") return {std::move(store), fs::path()};
  } catch (const DamagedError&) {
    // Expected: this is what a rebuild is for.
  }
  const fs::path aside = set_aside(path);
  return {Store::open(path, Access::write), aside};
}

void refuse_lost_attempts(const Store& store) {
  std::vector<std::string> lost;
  for (const AttemptRow& row : all_attempts(store.database().connection())) {
    if (!fs::exists(folder_of(store, row.key, row.number))) {
      lost.push_back(fmt::format("{}/{}", row.key.substr(0, 12), row.number));
    }
  }
  if (lost.empty()) return;
  throw StoreError(fmt::format(
      "{} attempts in {} have no folder under {} (the first is {}), and a rebuild would lose them; "
      "bring the folders back, or let the attempts go with --drop-missing",
      lost.size(), store.path().string(), store.runs_folder().string(), lost.front()));
}

void read_sweep_files(const Store& store, TrialWriter& writer, Rebuilt& out) {
  std::vector<fs::path> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(store.sweeps_folder(), error)) {
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const fs::path& path : files) {
    try {
      const SweepFile file = read_sweep_file(path);
      put_sweep_row(store.database().connection(), file.sweep);
      for (const TrialRecord& trial : file.trials) {
        writer.put(trial);
        for (const Membership& membership : trial.memberships) writer.put(trial.key, membership);
      }
    } catch (const DataError& problem) {
      out.problems.push_back(problem.what());
    }
  }
}

void read_run_folders(const Store& store, TrialWriter& writer, Rebuilt& out) {
  for (const fs::path& folder : attempt_folders(store.runs_folder())) {
    try {
      auto [trial, attempt] = read_attempt_folder(folder);
      if (attempt.status == Status::running && is_abandoned(folder)) {
        attempt = resolve_abandoned(folder, trial, attempt);
      }
      writer.put(trial);
      // A sweep's own file knows better which trials it has: an edited sweep dropped some.
      for (const Membership& membership : trial.memberships) {
        if (!fs::exists(sweep_file_path(store.sweeps_folder(), membership.sweep))) {
          writer.put_if_missing(trial.key, membership);
        }
      }
      put_attempt(store.database().connection(), attempt);
      ++out.attempts;
    } catch (const DataError& problem) {
      out.problems.push_back(problem.what());
    }
  }
}

// Takes in one trial; `have_sweeps` are those whose memberships may be added to.
void take_in(Store& store, TrialWriter& writer, const TrialRecord& trial,
             const std::vector<AttemptRecord>& attempts, Imported& out) {
  auto& connection = store.database().connection();
  if (!read_trial(connection, trial.key)) ++out.trials;
  writer.put(trial);
  for (const Membership& membership : trial.memberships) {
    writer.put_if_missing(trial.key, membership);
  }
  std::set<std::int64_t> known_starts;
  std::int64_t last_number = 0;
  for (const std::int64_t id : attempt_ids(connection, trial.key)) {
    const AttemptRecord known = read_attempt(connection, id);
    known_starts.insert(known.started_ms);
    last_number = known.number;
  }
  for (AttemptRecord attempt : attempts) {
    if (known_starts.contains(attempt.started_ms)) {
      ++out.known;
      continue;
    }
    if (attempt.status == Status::running) {
      out.skipped.push_back(
          fmt::format("{}/{} is still running there", trial.key.substr(0, 12), attempt.number));
      continue;
    }
    do {
      attempt.number = ++last_number;
    } while (fs::exists(folder_of(store, trial.key, attempt.number)));
    write_attempt_folder(folder_of(store, trial.key, attempt.number), trial, attempt);
    put_attempt(connection, attempt);
    ++out.attempts;
  }
}

void refresh_sweep_files(const Store& store, const std::set<std::string>& sweeps) {
  auto& connection = store.database().connection();
  for (const std::string& name : sweeps) {
    write_sweep_file(store.sweeps_folder(), read_whole_sweep(connection, name));
  }
}

std::uint64_t size_of_folder(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::recursive_directory_iterator(folder, error)) {
    if (entry.is_regular_file()) bytes += entry.file_size();
  }
  return bytes;
}

}  // namespace

Rebuilt rebuild(const fs::path& path, MissingFolders missing) {
  auto [store, aside] = open_for_rebuild(path);
  Rebuilt out;
  out.set_aside = aside;
  auto& connection = store.database().connection();
  store.database().write([&] {
    if (missing == MissingFolders::refuse) refuse_lost_attempts(store);
    for (const char* table : {"attempts", "environments", "memberships", "claims", "sweeps",
                              "configurations", "configuration_keys", "trials"}) {
      connection.exec(fmt::format("DELETE FROM {}", table));
    }
    TrialWriter writer(connection);
    read_sweep_files(store, writer, out);
    read_run_folders(store, writer, out);
    out.trials = all_keys(connection).size();
  });
  return out;
}

std::vector<std::string> verify(const Store& store) {
  std::vector<std::string> out;
  auto& connection = store.database().connection();
  store.database().read([&] {
    SQLite::Statement integrity(connection, "PRAGMA integrity_check");
    while (integrity.executeStep()) {
      const std::string line = integrity.getColumn(0).getString();
      if (line != "ok") out.push_back("SQLite: " + line);
    }
    SQLite::Statement references(connection, "PRAGMA foreign_key_check");
    while (references.executeStep()) {
      out.push_back(fmt::format("a row of {} refers to a row of {} that is not there",
                                references.getColumn(0).getString(),
                                references.getColumn(2).getString()));
    }
    for (const std::string& key : all_keys(connection)) {
      if (sha256_hex(read_trial(connection, key)->canonical) != key) {
        out.push_back(fmt::format("trial {}: its canonical form has another key", key));
      }
    }
    std::set<fs::path> indexed;
    for (const AttemptRow& row : all_attempts(connection)) {
      const fs::path folder = folder_of(store, row.key, row.number);
      indexed.insert(folder);
      if (!fs::exists(folder)) {
        out.push_back(fmt::format("{}: the attempt's folder is missing", folder.string()));
        continue;
      }
      try {
        const AttemptRecord truth = read_attempt_folder(folder).second;
        if (to_json(truth).dump() != to_json(read_attempt(connection, row.id)).dump()) {
          out.push_back(fmt::format("{}: folder and database differ", folder.string()));
        }
      } catch (const DataError& problem) {
        out.push_back(problem.what());
      }
    }
    for (const fs::path& folder : attempt_folders(store.runs_folder())) {
      if (!indexed.contains(folder)) {
        out.push_back(fmt::format("{}: is not in the database", folder.string()));
      }
    }
  });
  return out;
}

Imported import_trials(Store& store, const fs::path& jsonl) {
  std::vector<std::pair<TrialRecord, std::vector<AttemptRecord>>> records;
  std::size_t line_number = 0;
  for (const std::string& line : split(read_text_file(jsonl, 4ull << 30), '\n')) {
    ++line_number;
    if (trim(line).empty()) continue;
    try {
      records.push_back(trial_with_attempts_from_json(nlohmann::json::parse(line)));
      const TrialRecord& trial = records.back().first;
      if (sha256_hex(trial.canonical) != trial.key) {
        throw DataError(fmt::format("trial {}: its canonical form has another key", trial.key));
      }
    } catch (const nlohmann::json::exception& error) {
      throw DataError(fmt::format("{}:{}: {}", jsonl.string(), line_number, error.what()));
    } catch (const DataError& error) {
      throw DataError(fmt::format("{}:{}: {}", jsonl.string(), line_number, error.what()));
    }
  }
  Imported out;
  store.database().write([&] {
    TrialWriter writer(store.database().connection());
    std::set<std::string> sweeps;
    for (const auto& [trial, attempts] : records) {
      take_in(store, writer, trial, attempts, out);
      for (const Membership& membership : trial.memberships) sweeps.insert(membership.sweep);
    }
    refresh_sweep_files(store, sweeps);
  });
  return out;
}

Imported merge(Store& store, const Store& other) {
  if (fs::equivalent(store.path(), other.path())) {
    throw ConfigError(
        fmt::format("{}: a database cannot be merged into itself", store.path().string()));
  }
  Imported out;
  auto& here = store.database().connection();
  store.database().write([&] {
    TrialWriter writer(here);
    std::set<std::string> sweeps;
    for (const std::string& name : other.sweep_names()) {
      const SweepRecord theirs = *other.sweep(name);
      const auto ours = read_sweep(here, name);
      if (ours && !ours->sha256.empty() && ours->sha256 != theirs.sha256) {
        out.skipped.push_back(fmt::format(
            "sweep '{}' has another text here: its trials come without their names in it", name));
        continue;
      }
      sweeps.insert(name);
      if (!ours || ours->sha256.empty()) put_sweep_row(here, theirs);
    }
    for (const std::string& key : all_keys(other.database().connection())) {
      TrialRecord trial = other.trial(key);
      std::erase_if(trial.memberships,
                    [&](const Membership& item) { return !sweeps.contains(item.sweep); });
      take_in(store, writer, trial, other.attempts(key), out);
    }
    refresh_sweep_files(store, sweeps);
  });
  return out;
}

std::vector<Removable> removable_attempts(const Store& store, Garbage garbage) {
  auto& connection = store.database().connection();
  std::vector<Removable> out;
  store.database().read([&] {
    SQLite::Statement select(
        connection,
        "SELECT key, number, coalesce(failure_class, '') FROM attempts AS failed "
        "WHERE status IN ('failed', 'preempted') AND (?1 OR EXISTS (SELECT 1 FROM attempts "
        "WHERE key = failed.key AND status = 'ok')) ORDER BY key, number");
    select.bind(1, garbage == Garbage::all_failed ? 1 : 0);
    while (select.executeStep()) {
      const std::string key = select.getColumn(0).getString();
      const std::int64_t number = select.getColumn(1).getInt64();
      const fs::path folder = folder_of(store, key, number);
      out.push_back({key, number, select.getColumn(2).getString(), folder, size_of_folder(folder)});
    }
  });
  return out;
}

std::vector<SpareCheckpoint> spare_checkpoints(const Store& store) {
  auto& connection = store.database().connection();
  std::vector<SpareCheckpoint> out;
  store.database().read([&] {
    SQLite::Statement select(connection,
                             "SELECT key, number FROM attempts AS attempt "
                             "WHERE EXISTS (SELECT 1 FROM attempts WHERE key = attempt.key "
                             "AND status = 'ok') AND status <> 'running' ORDER BY key, number");
    while (select.executeStep()) {
      const std::string key = select.getColumn(0).getString();
      const std::int64_t number = select.getColumn(1).getInt64();
      for (const Checkpoint& checkpoint : checkpoints_in(folder_of(store, key, number))) {
        out.push_back({key, number, checkpoint.path, fs::file_size(checkpoint.path)});
      }
    }
  });
  return out;
}

void remove_attempt(Store& store, const Removable& attempt) {
  store.database().write([&] {
    SQLite::Statement remove(store.database().connection(),
                             "DELETE FROM attempts WHERE key = ? AND number = ?");
    remove.bind(1, attempt.key);
    remove.bind(2, attempt.number);
    remove.exec();
    fs::remove_all(attempt.folder);
    std::error_code not_empty;
    fs::remove(attempt.folder.parent_path(), not_empty);
  });
}

}  // namespace bitsweep::store
