#include "store/store.h"

#include <algorithm>

#include "core/check.h"
#include "core/hash.h"
#include "core/text.h"
#include "store/database.h"
#include "store/folder.h"
#include "store/tables.h"

namespace bitsweep::store {
namespace {

namespace fs = std::filesystem;

fs::path folder_of_database(const fs::path& path) {
  return path.has_parent_path() ? path.parent_path() : fs::path(".");
}

fs::path attempt_folder(const fs::path& runs, std::string_view key, std::int64_t number) {
  return fs::absolute(runs / key / std::to_string(number));
}

// Makes the folder of the first number, from `number` on, that has none (a process may have died
// between making the folder and the row).
std::int64_t make_attempt_folder(const fs::path& runs, const std::string& key,
                                 std::int64_t number) {
  std::error_code error;
  fs::create_directories(runs / key, error);
  if (error) {
    throw EnvironmentError(fmt::format("{}: the run folder cannot be made: {}",
                                       (runs / key).string(), error.message()));
  }
  while (!fs::create_directory(attempt_folder(runs, key, number), error)) {
    if (error) {
      throw EnvironmentError(fmt::format("{}: the run folder cannot be made: {}",
                                         attempt_folder(runs, key, number).string(),
                                         error.message()));
    }
    ++number;
  }
  return number;
}

std::optional<std::int64_t> shown_attempt_id(SQLite::Database& connection, std::string_view key) {
  SQLite::Statement select(connection, "SELECT attempt FROM shown_attempts WHERE key = ?");
  select.bind(1, std::string(key));
  if (!select.executeStep() || select.getColumn(0).isNull()) return std::nullopt;
  return select.getColumn(0).getInt64();
}

}  // namespace

Store::Store(std::unique_ptr<Database> database) : database_(std::move(database)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;
Store::~Store() = default;

Store Store::open(const fs::path& path, Access access) {
  return Store(std::make_unique<Database>(path, access));
}

std::optional<Store> Store::open_if_exists(const fs::path& path) {
  try {
    return open(path, Access::read);
  } catch (const MissingError&) {
    return std::nullopt;
  }
}

const fs::path& Store::path() const { return database_->path(); }
fs::path Store::runs_folder() const { return folder_of_database(path()) / "runs"; }
fs::path Store::sweeps_folder() const { return folder_of_database(path()) / "sweeps"; }

void Store::put_sweep(const SweepRecord& sweep, std::span<const TrialRecord> trials) {
  auto& connection = database_->connection();
  database_->write([&] {
    const auto before = read_sweep(connection, sweep.name);
    bool changed = put_sweep_row(connection, sweep);
    if (before && before->sha256 != sweep.sha256) {
      SQLite::Statement forget(connection, "DELETE FROM memberships WHERE sweep = ?");
      forget.bind(1, sweep.name);
      forget.exec();
    }
    TrialWriter writer(connection);
    for (const TrialRecord& trial : trials) {
      writer.put(trial);
      for (const Membership& membership : trial.memberships) {
        BITSWEEP_CHECK(membership.sweep == sweep.name, "a trial of '{}' was put with sweep '{}'",
                       membership.sweep, sweep.name);
        changed |= writer.put(trial.key, membership);
      }
    }
    // Inside the transaction: two supervisors must not write each other's older state.
    if (changed || !fs::exists(sweep_file_path(sweeps_folder(), sweep.name))) {
      write_sweep_file(sweeps_folder(), read_whole_sweep(connection, sweep.name));
    }
  });
}

std::optional<Attempt> Store::begin_attempt(const std::string& key, const AttemptStart& start) {
  auto& connection = database_->connection();
  return database_->write([&]() -> std::optional<Attempt> {
    SQLite::Statement last(connection,
                           "SELECT coalesce(max(number), 0), coalesce(max(status = 'running'), 0), "
                           "coalesce(sum(status = 'ok'), 0) FROM attempts WHERE key = ?");
    last.bind(1, key);
    last.executeStep();
    if (last.getColumn(1).getInt() != 0) return std::nullopt;
    const std::int64_t successes = last.getColumn(2).getInt64();
    if (start.successes_seen && successes > *start.successes_seen) return std::nullopt;
    const auto trial = read_trial(connection, key);
    BITSWEEP_CHECK(trial.has_value(), "trial {} was begun before it was put", key);

    AttemptRecord record;
    record.key = key;
    record.number = make_attempt_folder(runs_folder(), key, last.getColumn(0).getInt64() + 1);
    record.started_ms = now_ms();
    record.device = start.device;
    record.command = start.command;
    record.fingerprint = start.fingerprint;
    const fs::path folder = attempt_folder(runs_folder(), key, record.number);
    auto lock = FileLock::try_acquire(folder / kSupervisorLockFile);
    BITSWEEP_CHECK(lock.has_value(), "{}: a new folder is locked", folder.string());
    write_attempt_file(folder, *trial, record);
    put_attempt(connection, record);
    return Attempt{key, record.number, folder, record.started_ms, std::move(*lock)};
  });
}

void Store::add_metrics(const Attempt& attempt, std::span<const MetricPoint> points) {
  auto& connection = database_->connection();
  database_->write([&] {
    SQLite::Statement find(
        connection,
        "SELECT id, (SELECT coalesce(max(position) + 1, 0) FROM metrics "
        "WHERE attempt = attempts.id) FROM attempts WHERE key = ? AND number = ?");
    find.bind(1, attempt.key);
    find.bind(2, attempt.number);
    const bool found = find.executeStep();
    BITSWEEP_CHECK(found, "attempt {}/{} is not in the database", attempt.key, attempt.number);
    put_series(connection, find.getColumn(0).getInt64(), find.getColumn(1).getInt64(), points);
  });
}

AttemptRecord Store::finish_attempt(const Attempt& attempt) {
  AttemptRecord record = read_attempt_folder(attempt.folder).second;
  if (record.status == Status::running) {
    throw DataError(fmt::format("{}: there is no result.json", attempt.folder.string()));
  }
  database_->write([&] { put_attempt(database_->connection(), record); });
  return record;
}

AttemptRecord Store::fail_attempt(const Attempt& attempt, const Failure& failure) {
  write_failure_file(attempt.folder, failure, now_ms());
  AttemptRecord record = read_attempt_folder(attempt.folder).second;
  database_->write([&] { put_attempt(database_->connection(), record); });
  return record;
}

Store::Reconciled Store::reconcile() {
  auto& connection = database_->connection();
  Reconciled out;
  std::vector<std::int64_t> running;
  database_->read([&] {
    SQLite::Statement select(connection, "SELECT id FROM attempts WHERE status = 'running'");
    while (select.executeStep()) running.push_back(select.getColumn(0).getInt64());
  });
  for (const std::int64_t id : running) {
    database_->write([&] {
      SQLite::Statement still(connection,
                              "SELECT 1 FROM attempts WHERE id = ? AND status = 'running'");
      still.bind(1, id);
      if (!still.executeStep()) return;  // its own process has just finished it
      AttemptRecord record = read_attempt(connection, id);
      const fs::path folder = attempt_folder(runs_folder(), record.key, record.number);
      const std::string name = fmt::format("{}/{}", record.key, record.number);
      if (!is_abandoned(folder)) {
        out.running.push_back(name);
        return;
      }
      put_attempt(connection,
                  resolve_abandoned(folder, *read_trial(connection, record.key), record));
      out.resolved.push_back(name);
    });
  }
  return out;
}

std::vector<TrialState> Store::state_of(std::span<const std::string> keys) const {
  auto& connection = database_->connection();
  return database_->read([&] {
    std::vector<TrialState> out(keys.size());
    SQLite::Statement known(connection, "SELECT 1 FROM trials WHERE key = ?");
    SQLite::Statement select(connection,
                             "SELECT status, failure_class, message, seconds, numerics_version "
                             "FROM attempts WHERE key = ? ORDER BY number");
    for (std::size_t i = 0; i < keys.size(); ++i) {
      TrialState& state = out[i];
      select.bindNoCopy(1, keys[i]);
      while (select.executeStep()) {
        const Status status = status_from_string(select.getColumn(0).getText());
        ++state.attempts;
        if (status == Status::ok) ++state.successes;
        if (status == Status::ok) state.failures = 0;
        if (status == Status::failed) ++state.failures;
        if (state.status == Status::ok && status != Status::ok) continue;
        state.status = status;
        state.failure_class = select.getColumn(1).getText();
        state.message = select.getColumn(2).getText();
        state.seconds.reset();
        if (!select.getColumn(3).isNull()) state.seconds = select.getColumn(3).getDouble();
        state.numerics_version = nullptr;
        if (!select.getColumn(4).isNull()) {
          state.numerics_version = nlohmann::json::parse(select.getColumn(4).getText());
        }
      }
      select.reset();
      state.known = state.attempts > 0;
      if (state.known) continue;
      known.bindNoCopy(1, keys[i]);
      state.known = known.executeStep();
      known.reset();
    }
    return out;
  });
}

std::string Store::find_trial(std::string_view id) const {
  auto& connection = database_->connection();
  return database_->read([&] {
    const std::string text(id);
    std::vector<std::pair<std::string, std::string>> found;  // key, name
    SQLite::Statement by_name(
        connection, "SELECT DISTINCT key, name FROM memberships WHERE name = ? ORDER BY key");
    by_name.bind(1, text);
    while (by_name.executeStep()) {
      found.emplace_back(by_name.getColumn(0).getString(), by_name.getColumn(1).getString());
    }
    const bool is_prefix = text.size() >= 4 && text.size() <= 64 &&
                           text.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (found.empty() && is_prefix) {
      SQLite::Statement by_key(
          connection,
          "SELECT key, (SELECT name FROM memberships WHERE memberships.key = trials.key "
          "ORDER BY sweep LIMIT 1) FROM trials WHERE key >= ?1 AND key < ?1 || 'g' ORDER BY key");
      by_key.bind(1, text);
      while (by_key.executeStep()) {
        found.emplace_back(by_key.getColumn(0).getString(), by_key.getColumn(1).getString());
      }
    }
    if (found.size() == 1) return found.front().first;
    if (found.size() > 1) {
      constexpr std::size_t kShown = 8;
      std::vector<std::string> candidates;
      for (const auto& [key, name] : found) {
        if (candidates.size() == kShown) break;
        candidates.push_back(fmt::format("{} ({})", key.substr(0, 12), name));
      }
      throw ConfigError(fmt::format("'{}' stands for {} trials: {}{}", text, found.size(),
                                    join(candidates, ", "), found.size() > kShown ? ", …" : ""));
    }
    std::vector<std::string> names;
    SQLite::Statement all(connection, "SELECT DISTINCT name FROM memberships");
    while (all.executeStep()) names.push_back(all.getColumn(0).getString());
    const auto near = nearest_name(text, names);
    throw ConfigError(fmt::format(
        "no trial '{}' in {}; expected a name, or four or more first digits of a key{}", text,
        path().string(), near ? fmt::format(" (did you mean '{}'?)", *near) : ""));
  });
}

std::vector<std::string> Store::sweep_names() const {
  return database_->read([&] { return all_sweep_names(database_->connection()); });
}

std::optional<SweepRecord> Store::sweep(std::string_view name) const {
  return database_->read([&] { return read_sweep(database_->connection(), name); });
}

TrialRecord Store::trial(std::string_view key) const {
  return database_->read([&] {
    auto trial = read_trial(database_->connection(), key);
    if (!trial) throw ConfigError(fmt::format("no trial {} in {}", key, path().string()));
    return std::move(*trial);
  });
}

std::vector<AttemptRecord> Store::attempts(std::string_view key) const {
  auto& connection = database_->connection();
  return database_->read([&] {
    std::vector<AttemptRecord> out;
    for (const std::int64_t id : attempt_ids(connection, key)) {
      out.push_back(read_attempt(connection, id));
    }
    return out;
  });
}

std::optional<AttemptRecord> Store::shown_attempt(std::string_view key) const {
  auto& connection = database_->connection();
  return database_->read([&]() -> std::optional<AttemptRecord> {
    const auto id = shown_attempt_id(connection, key);
    if (!id) return std::nullopt;
    return read_attempt(connection, *id);
  });
}

std::optional<Bitmap> Store::bitmap(std::string_view key, std::string_view evaluation) const {
  auto& connection = database_->connection();
  return database_->read([&]() -> std::optional<Bitmap> {
    SQLite::Statement select(connection,
                             "SELECT images, sha256, bits FROM bitmaps "
                             "JOIN attempts ON attempts.id = attempt "
                             "WHERE key = ? AND status = 'ok' AND evaluation = ? "
                             "ORDER BY number DESC LIMIT 1");
    select.bind(1, std::string(key));
    select.bind(2, std::string(evaluation));
    if (!select.executeStep() || select.getColumn(2).getBytes() == 0) return std::nullopt;
    const SQLite::Column bits = select.getColumn(2);
    const auto* data = static_cast<const std::byte*>(bits.getBlob());
    return Bitmap{std::string(evaluation), select.getColumn(0).getInt64(),
                  select.getColumn(1).getString(),
                  std::vector<std::byte>(data, data + bits.getBytes())};
  });
}

std::optional<fs::path> Store::artifact(std::string_view key, std::string_view name) const {
  auto& connection = database_->connection();
  return database_->read([&]() -> std::optional<fs::path> {
    SQLite::Statement select(connection,
                             "SELECT number, path FROM attempts JOIN artifacts "
                             "ON attempts.id = attempt AND name = ? "
                             "WHERE key = ? AND status = 'ok' ORDER BY number DESC LIMIT 1");
    select.bind(1, std::string(name));
    select.bind(2, std::string(key));
    if (!select.executeStep()) return std::nullopt;
    return attempt_folder(runs_folder(), key, select.getColumn(0).getInt64()) /
           select.getColumn(1).getString();
  });
}

std::string Store::content_digest() const {
  auto& connection = database_->connection();
  return database_->read([&] {
    Sha256 hash;
    const auto add = [&hash](const nlohmann::json& record) {
      hash.update(record.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
      hash.update("\n");
    };
    for (const std::string& name : all_sweep_names(connection)) {
      const SweepRecord sweep = *read_sweep(connection, name);
      add({sweep.name, sweep.sha256, sweep.plan});
      for (const ClaimRecord& claim : sweep.claims) add(to_json(claim));
    }
    for (const std::string& key : all_keys(connection)) {
      add(to_json(*read_trial(connection, key)));
      for (const std::int64_t id : attempt_ids(connection, key)) {
        add(to_json(read_attempt(connection, id)));
      }
    }
    return hash.hex();
  });
}

}  // namespace bitsweep::store
