#include "store/tables.h"

#include <cmath>
#include <limits>

#include "core/error.h"
#include "core/hash.h"

namespace bitsweep::store {
namespace {

using nlohmann::json;

// Text that came from elsewhere (file names, messages of libraries) may be no UTF-8.
std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

template <typename T>
void bind_optional(SQLite::Statement& statement, int index, const std::optional<T>& value) {
  if (value) {
    statement.bind(index, *value);
  } else {
    statement.bind(index);
  }
}

void bind_optional(SQLite::Statement& statement, int index, std::optional<std::uint64_t> value) {
  bind_optional(
      statement, index,
      value ? std::optional(static_cast<std::int64_t>(*value)) : std::optional<std::int64_t>());
}

void bind_json(SQLite::Statement& statement, int index, const json& value) {
  if (value.is_null()) {
    statement.bind(index);
  } else {
    statement.bind(index, dump(value));
  }
}

// Integers stay integers, so that 9173 correct images are not 9173.0. SQLite holds NaN as null.
void bind_number(SQLite::Statement& statement, int index, const json& value) {
  if (value.is_number_integer()) {
    statement.bind(index, value.get<std::int64_t>());
  } else if (value.is_number()) {
    statement.bind(index, value.get<double>());
  } else {
    statement.bind(index);
  }
}

json number_of(const SQLite::Column& column) {
  if (column.isInteger()) return column.getInt64();
  if (column.isFloat()) return column.getDouble();
  return nullptr;
}

json json_of(const SQLite::Column& column) {
  return column.isNull() ? json() : json::parse(column.getString());
}

std::optional<double> real_of(const SQLite::Column& column) {
  return column.isNull() ? std::nullopt : std::optional(column.getDouble());
}

std::optional<std::int64_t> integer_of(const SQLite::Column& column) {
  return column.isNull() ? std::nullopt : std::optional(column.getInt64());
}

std::optional<int> small_integer_of(const SQLite::Column& column) {
  return column.isNull() ? std::nullopt : std::optional(column.getInt());
}

void run(SQLite::Statement& statement) {
  statement.exec();
  statement.reset();
}

std::int64_t put_environment(SQLite::Database& connection, const json& fingerprint) {
  const std::string text = dump(fingerprint);
  const std::string digest = sha256_hex(text);
  SQLite::Statement insert(
      connection, "INSERT OR IGNORE INTO environments (sha256, fingerprint) VALUES (?, ?)");
  insert.bind(1, digest);
  insert.bind(2, text);
  insert.exec();
  SQLite::Statement find(connection, "SELECT id FROM environments WHERE sha256 = ?");
  find.bind(1, digest);
  find.executeStep();
  return find.getColumn(0).getInt64();
}

void put_finals(SQLite::Database& connection, std::int64_t id, const json& finals) {
  SQLite::Statement insert(connection,
                           "INSERT INTO finals (attempt, name, value) VALUES (?, ?, ?)");
  for (const auto& [name, value] : finals.items()) {
    insert.bind(1, id);
    insert.bind(2, name);
    bind_number(insert, 3, value);
    run(insert);
  }
}

// A list of objects, one a row: `sql` inserts attempt, position and the object's JSON.
void put_list(SQLite::Database& connection, const char* sql, std::int64_t id, const json& list) {
  SQLite::Statement insert(connection, sql);
  std::int64_t position = 0;
  for (const json& object : list) {
    insert.bind(1, id);
    insert.bind(2, position++);
    insert.bind(3, dump(object));
    run(insert);
  }
}

void bind_text(SQLite::Statement& statement, int index, const std::string& text) {
  if (text.empty()) {
    statement.bind(index);
  } else {
    statement.bind(index, text);
  }
}

void put_bitmaps(SQLite::Database& connection, std::int64_t id,
                 const std::vector<Bitmap>& bitmaps) {
  SQLite::Statement insert(
      connection,
      "INSERT INTO bitmaps (attempt, evaluation, images, sha256, bits) VALUES (?, ?, ?, ?, ?)");
  for (const Bitmap& bitmap : bitmaps) {
    insert.bind(1, id);
    insert.bind(2, bitmap.evaluation);
    insert.bind(3, bitmap.images);
    insert.bind(4, bitmap.sha256);
    // A null pointer would bind null.
    insert.bind(5, bitmap.bits.empty() ? "" : static_cast<const void*>(bitmap.bits.data()),
                static_cast<int>(bitmap.bits.size()));
    run(insert);
  }
}

void put_artifacts(SQLite::Database& connection, std::int64_t id,
                   const std::vector<Artifact>& artifacts) {
  SQLite::Statement insert(
      connection,
      "INSERT INTO artifacts (attempt, name, path, bytes, sha256) VALUES (?, ?, ?, ?, ?)");
  for (const Artifact& artifact : artifacts) {
    insert.bind(1, id);
    insert.bind(2, artifact.name);
    insert.bind(3, artifact.path);
    insert.bind(4, static_cast<std::int64_t>(artifact.bytes));
    insert.bind(5, artifact.sha256);
    run(insert);
  }
}

// Rows of one attempt in the order of `order`.
SQLite::Statement rows_of(SQLite::Database& connection, const char* columns, const char* table,
                          const char* order, std::int64_t id) {
  SQLite::Statement select(
      connection,
      fmt::format("SELECT {} FROM {} WHERE attempt = ? ORDER BY {}", columns, table, order));
  select.bind(1, id);
  return select;
}

std::vector<std::string> strings_of(SQLite::Statement& select) {
  std::vector<std::string> out;
  while (select.executeStep()) out.push_back(select.getColumn(0).getString());
  return out;
}

}  // namespace

TrialWriter::TrialWriter(SQLite::Database& connection)
    : trial_(connection, "INSERT OR IGNORE INTO trials (key, seed) VALUES (?, ?)"),
      configuration_(connection,
                     "INSERT INTO configurations (key, canonical, config) VALUES (?, ?, ?)"),
      configuration_key_(connection, "INSERT OR IGNORE INTO configuration_keys (name) VALUES (?)"),
      sweep_(connection,
             "INSERT OR IGNORE INTO sweeps (name, text, sha256, plan) VALUES (?, '', '', '{}')"),
      membership_(connection,
                  "INSERT INTO memberships (sweep, key, name, group_name, ordinal, axes) "
                  "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (sweep, key) DO UPDATE SET "
                  "name = excluded.name, group_name = excluded.group_name, "
                  "ordinal = excluded.ordinal, axes = excluded.axes "
                  "WHERE (name, group_name, ordinal, axes) IS NOT "
                  "(excluded.name, excluded.group_name, excluded.ordinal, excluded.axes)"),
      membership_if_missing_(connection,
                             "INSERT OR IGNORE INTO memberships "
                             "(sweep, key, name, group_name, ordinal, axes) "
                             "VALUES (?, ?, ?, ?, ?, ?)") {}

void TrialWriter::put(const TrialRecord& trial) {
  trial_.bind(1, trial.key);
  trial_.bind(2, static_cast<std::int64_t>(trial.seed));
  const bool inserted = trial_.exec() > 0;
  trial_.reset();
  if (!inserted) return;
  configuration_.bind(1, trial.key);
  configuration_.bind(2, trial.canonical);
  configuration_.bind(3, dump(trial.config));
  run(configuration_);
  for (const auto& item : trial.config.items()) {
    if (!known_keys_.insert(item.key()).second) continue;
    configuration_key_.bind(1, item.key());
    run(configuration_key_);
  }
}

void TrialWriter::bind_and_run(SQLite::Statement& statement, const std::string& key,
                               const Membership& membership) {
  if (known_sweeps_.insert(membership.sweep).second) {
    sweep_.bind(1, membership.sweep);
    run(sweep_);
  }
  statement.bind(1, membership.sweep);
  statement.bind(2, key);
  statement.bind(3, membership.name);
  statement.bind(4, membership.group);
  statement.bind(5, membership.ordinal);
  statement.bind(6, dump(to_json(membership).at("axes")));
}

bool TrialWriter::put(const std::string& key, const Membership& membership) {
  bind_and_run(membership_, key, membership);
  const bool changed = membership_.exec() > 0;
  membership_.reset();
  return changed;
}

void TrialWriter::put_if_missing(const std::string& key, const Membership& membership) {
  bind_and_run(membership_if_missing_, key, membership);
  run(membership_if_missing_);
}

void put_attempt(SQLite::Database& connection, const AttemptRecord& attempt) {
  SQLite::Statement remove(connection, "DELETE FROM attempts WHERE key = ? AND number = ?");
  remove.bind(1, attempt.key);
  remove.bind(2, attempt.number);
  remove.exec();
  SQLite::Statement insert(
      connection,
      "INSERT INTO attempts (key, number, status, failure_class, message, exit_code, signal, "
      "failure_details, started_ms, finished_ms, seconds, peak_memory_bytes, device, command, "
      "numerics_version, environment, state_sha256, resumed_from) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  insert.bind(1, attempt.key);
  insert.bind(2, attempt.number);
  insert.bind(3, std::string(to_string(attempt.status)));
  if (attempt.failure) {
    insert.bind(4, attempt.failure->failure_class);
    insert.bind(5, attempt.failure->message);
    bind_optional(insert, 6, attempt.failure->exit_code);
    bind_optional(insert, 7, attempt.failure->signal);
    bind_json(insert, 8, attempt.failure->details);
  }
  insert.bind(9, attempt.started_ms);
  bind_optional(insert, 10, attempt.finished_ms);
  bind_optional(insert, 11, attempt.seconds);
  bind_optional(insert, 12, attempt.peak_memory_bytes);
  insert.bind(13, attempt.device);
  insert.bind(14, attempt.command);
  bind_json(insert, 15, attempt.numerics_version);
  insert.bind(16, put_environment(connection, attempt.fingerprint));
  bind_text(insert, 17, attempt.state_sha256);
  bind_text(insert, 18, attempt.resumed_from);
  insert.exec();
  const std::int64_t id = connection.getLastInsertRowid();
  put_finals(connection, id, attempt.finals);
  put_series(connection, id, 0, attempt.series);
  put_list(connection, "INSERT INTO layers (attempt, position, layer) VALUES (?, ?, ?)", id,
           attempt.layers);
  put_list(connection, "INSERT INTO epochs (attempt, position, epoch) VALUES (?, ?, ?)", id,
           attempt.epochs);
  put_bitmaps(connection, id, attempt.bitmaps);
  put_artifacts(connection, id, attempt.artifacts);
}

void put_series(SQLite::Database& connection, std::int64_t attempt_id, std::int64_t first_position,
                std::span<const MetricPoint> points) {
  SQLite::Statement insert(
      connection,
      "INSERT INTO metrics (attempt, position, name, step, epoch, value, wall_s) "
      "VALUES (?, ?, ?, ?, ?, ?, ?)");
  for (const MetricPoint& point : points) {
    insert.bind(1, attempt_id);
    insert.bind(2, first_position++);
    insert.bind(3, point.name);
    bind_optional(insert, 4, point.step);
    bind_optional(insert, 5, point.epoch);
    insert.bind(6, point.value);
    bind_optional(insert, 7, point.wall_s);
    run(insert);
  }
}

std::optional<TrialRecord> read_trial(SQLite::Database& connection, std::string_view key) {
  TrialRecord out;
  out.key = key;
  SQLite::Statement select(connection,
                           "SELECT seed, canonical, config FROM trials "
                           "JOIN configurations USING (key) WHERE key = ?");
  select.bind(1, out.key);
  if (!select.executeStep()) return std::nullopt;
  out.seed = static_cast<std::uint64_t>(select.getColumn(0).getInt64());
  out.canonical = select.getColumn(1).getString();
  out.config = json_of(select.getColumn(2));
  SQLite::Statement memberships(connection,
                                "SELECT sweep, name, group_name, ordinal, axes FROM memberships "
                                "WHERE key = ? ORDER BY sweep");
  memberships.bind(1, out.key);
  while (memberships.executeStep()) {
    out.memberships.push_back(
        membership_from_json({{"sweep", memberships.getColumn(0).getString()},
                              {"name", memberships.getColumn(1).getString()},
                              {"group", memberships.getColumn(2).getString()},
                              {"ordinal", memberships.getColumn(3).getInt64()},
                              {"axes", json_of(memberships.getColumn(4))}}));
  }
  return out;
}

AttemptRecord read_attempt(SQLite::Database& connection, std::int64_t id) {
  AttemptRecord out;
  SQLite::Statement select(
      connection,
      "SELECT key, number, status, failure_class, message, exit_code, signal, failure_details, "
      "started_ms, finished_ms, seconds, peak_memory_bytes, device, command, numerics_version, "
      "fingerprint, state_sha256, resumed_from "
      "FROM attempts JOIN environments ON environments.id = environment "
      "WHERE attempts.id = ?");
  select.bind(1, id);
  select.executeStep();
  out.key = select.getColumn(0).getString();
  out.number = select.getColumn(1).getInt64();
  out.status = status_from_string(select.getColumn(2).getString());
  if (!select.getColumn(3).isNull()) {
    out.failure = Failure{select.getColumn(3).getString(), select.getColumn(4).getString(),
                          small_integer_of(select.getColumn(5)),
                          small_integer_of(select.getColumn(6)), json_of(select.getColumn(7))};
  }
  out.started_ms = select.getColumn(8).getInt64();
  out.finished_ms = integer_of(select.getColumn(9));
  out.seconds = real_of(select.getColumn(10));
  if (const auto bytes = integer_of(select.getColumn(11))) {
    out.peak_memory_bytes = static_cast<std::uint64_t>(*bytes);
  }
  out.device = select.getColumn(12).getString();
  out.command = select.getColumn(13).getString();
  out.numerics_version = json_of(select.getColumn(14));
  out.fingerprint = json_of(select.getColumn(15));
  out.state_sha256 = select.getColumn(16).getString();  // "" where it is null
  out.resumed_from = select.getColumn(17).getString();

  auto finals = rows_of(connection, "name, value", "finals", "name", id);
  while (finals.executeStep()) {
    out.finals[finals.getColumn(0).getString()] = number_of(finals.getColumn(1));
  }
  auto series = rows_of(connection, "name, value, step, epoch, wall_s", "metrics", "position", id);
  while (series.executeStep()) {
    out.series.push_back(
        {series.getColumn(0).getString(),
         real_of(series.getColumn(1)).value_or(std::numeric_limits<double>::quiet_NaN()),
         integer_of(series.getColumn(2)), real_of(series.getColumn(3)),
         real_of(series.getColumn(4))});
  }
  auto layers = rows_of(connection, "layer", "layers", "position", id);
  while (layers.executeStep()) out.layers.push_back(json_of(layers.getColumn(0)));
  auto epochs = rows_of(connection, "epoch", "epochs", "position", id);
  while (epochs.executeStep()) out.epochs.push_back(json_of(epochs.getColumn(0)));
  auto bitmaps =
      rows_of(connection, "evaluation, images, sha256, bits", "bitmaps", "evaluation", id);
  while (bitmaps.executeStep()) {
    const SQLite::Column bits = bitmaps.getColumn(3);
    const auto* data = static_cast<const std::byte*>(bits.getBlob());
    out.bitmaps.push_back({bitmaps.getColumn(0).getString(), bitmaps.getColumn(1).getInt64(),
                           bitmaps.getColumn(2).getString(),
                           std::vector<std::byte>(data, data + bits.getBytes())});
  }
  auto artifacts = rows_of(connection, "name, path, bytes, sha256", "artifacts", "name", id);
  while (artifacts.executeStep()) {
    out.artifacts.push_back({artifacts.getColumn(0).getString(), artifacts.getColumn(1).getString(),
                             static_cast<std::uint64_t>(artifacts.getColumn(2).getInt64()),
                             artifacts.getColumn(3).getString()});
  }
  return out;
}

std::vector<std::int64_t> attempt_ids(SQLite::Database& connection, std::string_view key) {
  SQLite::Statement select(connection, "SELECT id FROM attempts WHERE key = ? ORDER BY number");
  select.bind(1, std::string(key));
  std::vector<std::int64_t> out;
  while (select.executeStep()) out.push_back(select.getColumn(0).getInt64());
  return out;
}

std::optional<SweepRecord> read_sweep(SQLite::Database& connection, std::string_view name) {
  SweepRecord out;
  out.name = name;
  SQLite::Statement select(connection, "SELECT text, sha256, plan FROM sweeps WHERE name = ?");
  select.bind(1, out.name);
  if (!select.executeStep()) return std::nullopt;
  out.text = select.getColumn(0).getString();
  out.sha256 = select.getColumn(1).getString();
  out.plan = json_of(select.getColumn(2));
  SQLite::Statement claims(connection,
                           "SELECT id, \"where\", metric, value, tolerance, requires, details "
                           "FROM claims WHERE sweep = ? ORDER BY position");
  claims.bind(1, out.name);
  while (claims.executeStep()) {
    out.claims.push_back({claims.getColumn(0).getString(), claims.getColumn(1).getString(),
                          claims.getColumn(2).getString(), claims.getColumn(3).getDouble(),
                          claims.getColumn(4).getDouble(), claims.getColumn(5).getString(),
                          json_of(claims.getColumn(6))});
  }
  return out;
}

bool put_sweep_row(SQLite::Database& connection, const SweepRecord& sweep) {
  if (read_sweep(connection, sweep.name) == sweep) return false;
  SQLite::Statement put(connection,
                        "INSERT INTO sweeps (name, text, sha256, plan) VALUES (?, ?, ?, ?) "
                        "ON CONFLICT (name) DO UPDATE SET text = excluded.text, "
                        "sha256 = excluded.sha256, plan = excluded.plan");
  put.bind(1, sweep.name);
  put.bind(2, sweep.text);
  put.bind(3, sweep.sha256);
  put.bind(4, dump(sweep.plan));
  put.exec();
  SQLite::Statement remove(connection, "DELETE FROM claims WHERE sweep = ?");
  remove.bind(1, sweep.name);
  remove.exec();
  SQLite::Statement insert(connection,
                           "INSERT INTO claims (sweep, position, id, \"where\", metric, value, "
                           "tolerance, requires, details) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
  std::int64_t position = 0;
  for (const ClaimRecord& claim : sweep.claims) {
    insert.bind(1, sweep.name);
    insert.bind(2, position++);
    insert.bind(3, claim.id);
    insert.bind(4, claim.where);
    insert.bind(5, claim.metric);
    insert.bind(6, claim.value);
    insert.bind(7, claim.tolerance);
    insert.bind(8, claim.requires_);
    insert.bind(9, dump(claim.details));
    run(insert);
  }
  return true;
}

std::vector<std::string> keys_of_sweep(SQLite::Database& connection, std::string_view name) {
  SQLite::Statement select(connection,
                           "SELECT key FROM memberships WHERE sweep = ? ORDER BY ordinal, key");
  select.bind(1, std::string(name));
  return strings_of(select);
}

SweepFile read_whole_sweep(SQLite::Database& connection, std::string_view name) {
  SweepFile out{*read_sweep(connection, name), {}};
  for (const std::string& key : keys_of_sweep(connection, name)) {
    TrialRecord trial = *read_trial(connection, key);
    std::erase_if(trial.memberships, [&](const Membership& item) { return item.sweep != name; });
    out.trials.push_back(std::move(trial));
  }
  return out;
}

std::vector<std::string> all_keys(SQLite::Database& connection) {
  SQLite::Statement select(connection, "SELECT key FROM trials ORDER BY key");
  return strings_of(select);
}

std::vector<std::string> all_sweep_names(SQLite::Database& connection) {
  SQLite::Statement select(connection, "SELECT name FROM sweeps ORDER BY name");
  return strings_of(select);
}

}  // namespace bitsweep::store
