// Store::trial_rows and Store::column_names: one flat JSON object a trial.
#include <algorithm>
#include <array>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "core/text.h"
#include "store/database.h"
#include "store/store.h"

namespace bitsweep::store {
namespace {

using nlohmann::json;

// What a row says of every trial, in display order.
constexpr std::array<std::string_view, 11> kTrialColumns = {
    "key",     "name",    "status",  "seed",          "sweep",  "group",
    "attempt", "started", "seconds", "failure_class", "message"};
constexpr std::array<std::string_view, 7> kFirstMetrics = {
    "top1", "top5", "correct", "images", "loss", "weight_bits_average", "activation_bits_average"};

// Which columns a caller wants, and which tables that takes.
class Wanted {
 public:
  Wanted(SQLite::Database& connection, const std::vector<std::string>& columns)
      : columns_(columns.begin(), columns.end()), all_(columns.empty()), config_(all_) {
    SQLite::Statement is_config(connection, "SELECT 1 FROM configuration_keys WHERE name = ?");
    for (const std::string& column : columns) {
      if (std::find(kTrialColumns.begin(), kTrialColumns.end(), column) != kTrialColumns.end()) {
        continue;
      }
      others_.push_back(column);
      quoted_.push_back(json(column).dump());
      is_config.bind(1, column);
      config_ = is_config.executeStep() || config_;
      is_config.reset();
    }
  }
  bool operator()(const std::string& column) const { return all_ || columns_.contains(column); }
  bool config() const { return config_; }
  bool all() const { return all_; }
  // Columns that may be axes, metrics or configuration keys.
  const std::vector<std::string>& others() const { return others_; }
  // Cheaper than parsing the axes of ten thousand trials for a column that is none.
  bool may_be_in(std::string_view axes) const {
    return all_ || std::any_of(quoted_.begin(), quoted_.end(), [&](const std::string& column) {
             return axes.find(column) != std::string_view::npos;
           });
  }

 private:
  std::unordered_set<std::string> columns_;
  std::vector<std::string> others_;
  std::vector<std::string> quoted_;  // others_ as they stand in JSON
  bool all_;
  bool config_;
};

json value_of(const SQLite::Column& column) {
  if (column.isText()) return column.getString();
  if (column.isInteger()) return column.getInt64();
  if (column.isFloat()) return column.getDouble();
  return nullptr;
}

// A trial on its way to a row.
struct Trial {
  std::string key;
  json row = json::object();
  std::string sweep;
  std::int64_t ordinal = 0;
  std::int64_t attempt_id = 0;  // 0: none
  std::int64_t attempt_number = 0;
  bool is_ok = false;
};

// Reads whole tables, one after the other, and joins them by key here: for ten thousand trials that
// takes a tenth of the time of a join with a subquery a trial.
class RowBuilder {
 public:
  RowBuilder(SQLite::Database& connection, const RowFilter& filter)
      : connection_(connection), filter_(filter), wanted_(connection, filter.columns) {}

  std::vector<json> build() {
    read_memberships();
    read_trials();
    read_attempts();
    if (wanted_.config()) read_configurations();
    if (wanted_.all() || !wanted_.others().empty()) read_finals();
    std::vector<Trial*> sorted;
    sorted.reserve(trials_.size());
    for (Trial& trial : trials_) sorted.push_back(&trial);
    std::sort(sorted.begin(), sorted.end(), [](const Trial* a, const Trial* b) {
      return std::tie(a->sweep, a->ordinal, a->key) < std::tie(b->sweep, b->ordinal, b->key);
    });
    std::vector<json> rows;
    rows.reserve(sorted.size());
    for (Trial* trial : sorted) rows.push_back(std::move(trial->row));
    return rows;
  }

 private:
  // What is set first stays: an axis cannot hide the status, a metric cannot hide an axis.
  void add(Trial& trial, const std::string& column, json value) {
    if (wanted_(column)) trial.row.emplace(column, std::move(value));
  }

  SQLite::Statement select(const std::string& columns_and_table, const char* order = "") {
    const std::string keys =
        filter_.keys.empty() ? "" : " AND key IN (SELECT value FROM json_each(:keys))";
    SQLite::Statement out(connection_, columns_and_table + keys + order);
    if (!keys.empty()) out.bind(":keys", json(filter_.keys).dump());
    return out;
  }

  Trial* find(const std::string& key) {
    const auto found = position_.find(key);
    return found == position_.end() ? nullptr : &trials_[found->second];
  }

  // The alphabetically first sweep of each trial, or the one that is asked for.
  void read_memberships() {
    auto rows = select(
        "SELECT key, sweep, ordinal, name, group_name, axes FROM memberships "
        "WHERE (:sweep = '' OR sweep = :sweep)",
        " ORDER BY sweep, key");
    rows.bind(":sweep", filter_.sweep);
    while (rows.executeStep()) {
      std::string key = rows.getColumn(0).getString();
      if (!position_.emplace(key, trials_.size()).second) continue;
      Trial& trial = trials_.emplace_back();
      trial.key = std::move(key);
      trial.sweep = rows.getColumn(1).getString();
      trial.ordinal = rows.getColumn(2).getInt64();
      if (wanted_("sweep")) add(trial, "sweep", trial.sweep);
      if (wanted_("name")) add(trial, "name", value_of(rows.getColumn(3)));
      if (wanted_("group")) add(trial, "group", value_of(rows.getColumn(4)));
      const char* axes = rows.getColumn(5).getText();
      if (wanted_.may_be_in(axes)) {
        for (const json& axis : json::parse(axes)) {
          const auto label = axis.at(0).get<std::string>();
          const bool is_own =
              std::find(kTrialColumns.begin(), kTrialColumns.end(), label) != kTrialColumns.end();
          if (!is_own) add(trial, label, axis.at(1));
        }
      }
    }
  }

  void read_trials() {
    auto rows = select("SELECT key, seed FROM trials WHERE 1");
    while (rows.executeStep()) {
      std::string key = rows.getColumn(0).getString();
      Trial* trial = find(key);
      if (trial == nullptr) {
        if (!filter_.sweep.empty()) continue;
        position_.emplace(key, trials_.size());
        trial = &trials_.emplace_back();
        trial->key = key;
        for (const char* column : {"sweep", "name", "group"}) add(*trial, column, nullptr);
      }
      add(*trial, "key", std::move(key));
      add(*trial, "seed", value_of(rows.getColumn(1)));
    }
  }

  // The latest successful attempt of each trial, else its latest.
  void read_attempts() {
    auto rows = select(
        "SELECT key, number, status = 'ok', id, status, started_ms, seconds, failure_class, "
        "message "
        "FROM attempts WHERE 1");
    while (rows.executeStep()) {
      Trial* trial = find(rows.getColumn(0).getString());
      if (trial == nullptr) continue;
      const std::int64_t number = rows.getColumn(1).getInt64();
      const bool is_ok = rows.getColumn(2).getInt() != 0;
      if (std::pair(is_ok, number) <= std::pair(trial->is_ok, trial->attempt_number)) continue;
      trial->is_ok = is_ok;
      trial->attempt_number = number;
      trial->attempt_id = rows.getColumn(3).getInt64();
      const auto replace = [&](const char* column, auto&& value) {
        if (wanted_(column)) trial->row[column] = value();
      };
      replace("attempt", [&] { return json(number); });
      replace("status", [&] { return value_of(rows.getColumn(4)); });
      replace("started", [&] { return json(format_utc(rows.getColumn(5).getInt64() / 1000)); });
      replace("seconds", [&] { return value_of(rows.getColumn(6)); });
      replace("failure_class", [&] { return value_of(rows.getColumn(7)); });
      replace("message", [&] { return value_of(rows.getColumn(8)); });
    }
    for (Trial& trial : trials_) {
      if (trial.attempt_id != 0) continue;
      add(trial, "status", "queued");
      for (const char* column : {"attempt", "started", "seconds", "failure_class", "message"}) {
        add(trial, column, nullptr);
      }
    }
  }

  void read_configurations() {
    auto rows = select("SELECT key, config FROM configurations WHERE 1");
    while (rows.executeStep()) {
      Trial* trial = find(rows.getColumn(0).getString());
      if (trial == nullptr) continue;
      json config = json::parse(rows.getColumn(1).getText());
      for (auto& [key, value] : config.items()) add(*trial, key, std::move(value));
    }
  }

  void read_finals() {
    std::unordered_map<std::int64_t, Trial*> of_attempt;
    for (Trial& trial : trials_) {
      if (trial.attempt_id != 0) of_attempt.emplace(trial.attempt_id, &trial);
    }
    // A few attempts of many are looked up, many are found by reading all.
    const bool by_attempt = !filter_.keys.empty() || !filter_.sweep.empty();
    SQLite::Statement rows(
        connection_,
        fmt::format("SELECT attempt, name, value FROM finals WHERE {} AND {}",
                    wanted_.all() ? "1" : "name IN (SELECT value FROM json_each(:names))",
                    by_attempt ? "attempt IN (SELECT value FROM json_each(:attempts))" : "1"));
    if (!wanted_.all()) rows.bind(":names", json(wanted_.others()).dump());
    if (by_attempt) {
      json attempts = json::array();
      for (const auto& [id, trial] : of_attempt) attempts.push_back(id);
      rows.bind(":attempts", attempts.dump());
    }
    while (rows.executeStep()) {
      const auto found = of_attempt.find(rows.getColumn(0).getInt64());
      if (found == of_attempt.end()) continue;
      add(*found->second, rows.getColumn(1).getString(), value_of(rows.getColumn(2)));
    }
  }

  SQLite::Database& connection_;
  const RowFilter& filter_;
  Wanted wanted_;
  std::vector<Trial> trials_;
  std::unordered_map<std::string, std::size_t> position_;  // key → in trials_
};

}  // namespace

std::vector<json> Store::trial_rows(const RowFilter& filter) const {
  return database_->read([&] { return RowBuilder(database_->connection(), filter).build(); });
}

std::vector<std::string> Store::column_names(const RowFilter& filter) const {
  auto& connection = database_->connection();
  return database_->read([&] {
    std::vector<std::string> out;
    std::unordered_set<std::string> seen;
    const auto add = [&](std::string name) {
      if (seen.insert(name).second) out.push_back(std::move(name));
    };
    for (const std::string_view name : kTrialColumns) add(std::string(name));
    SQLite::Statement axes(connection,
                           "SELECT axes FROM memberships WHERE (?1 = '' OR sweep = ?1) "
                           "ORDER BY sweep, ordinal");
    axes.bind(1, filter.sweep);
    while (axes.executeStep()) {
      for (const json& axis : json::parse(axes.getColumn(0).getText())) add(axis.at(0));
    }
    // The usual metrics first, and even before any trial has them.
    for (const std::string_view name : kFirstMetrics) add(std::string(name));
    for (const char* table : {"SELECT DISTINCT name FROM finals ORDER BY name",
                              "SELECT name FROM configuration_keys ORDER BY name"}) {
      SQLite::Statement names(connection, table);
      while (names.executeStep()) add(names.getColumn(0).getString());
    }
    return out;
  });
}

}  // namespace bitsweep::store
