// Store::trial_rows and Store::column_names: one flat JSON object a trial.
#include <algorithm>
#include <array>
#include <unordered_set>

#include "core/text.h"
#include "store/database.h"
#include "store/store.h"

namespace bitsweep::store {
namespace {

using nlohmann::json;

constexpr std::array kTrialColumns = {"key",     "name",          "status",  "seed",
                                      "sweep",   "group",         "attempt", "started",
                                      "seconds", "failure_class", "message"};
constexpr std::array kFirstMetrics = {
    "top1", "top5", "correct", "images", "loss", "weight_bits_average", "activation_bits_average"};

template <typename Names>
std::ptrdiff_t position_in(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) - names.begin();
}

// Trials in plan order, each with one membership and its shown attempt. `extra` is a column more.
std::string select_trials(const RowFilter& filter, std::string_view extra) {
  std::string sql = fmt::format(
      "SELECT trials.key, trials.seed, m.sweep, m.name, m.group_name, m.axes, attempts.id, "
      "attempts.status, attempts.number, attempts.failure_class, attempts.message, "
      "attempts.started_ms, attempts.seconds, {} FROM ",
      extra);
  sql += filter.sweep.empty()
             ? "trials LEFT JOIN memberships AS m ON m.key = trials.key AND m.sweep = "
               "(SELECT min(sweep) FROM memberships WHERE memberships.key = trials.key) "
             : "memberships AS m JOIN trials ON trials.key = m.key ";
  sql +=
      "LEFT JOIN attempts ON attempts.id = (SELECT id FROM attempts AS a WHERE a.key = trials.key "
      "ORDER BY a.status = 'ok' DESC, a.number DESC LIMIT 1) "
      "WHERE (?1 = '' OR m.sweep = ?1) ";
  if (!filter.keys.empty()) sql += "AND trials.key IN (SELECT value FROM json_each(?2)) ";
  return sql + "ORDER BY m.sweep, m.ordinal, trials.key";
}

void bind_filter(SQLite::Statement& select, const RowFilter& filter) {
  select.bind(1, filter.sweep);
  if (!filter.keys.empty()) select.bind(2, json(filter.keys).dump());
}

json text_or_null(const SQLite::Column& column) {
  return column.isNull() ? json() : json(column.getString());
}

json number_or_null(const SQLite::Column& column) {
  if (column.isInteger()) return column.getInt64();
  if (column.isFloat()) return column.getDouble();
  return nullptr;
}

// Which columns a caller wants, and which tables that takes.
class Wanted {
 public:
  Wanted(SQLite::Database& connection, const std::vector<std::string>& columns)
      : columns_(columns.begin(), columns.end()),
        all_(columns.empty()),
        config_(all_),
        finals_(all_) {
    SQLite::Statement is_config(connection, "SELECT 1 FROM configuration_keys WHERE name = ?");
    for (const std::string& column : columns) {
      if (position_in(kTrialColumns, column) < std::ssize(kTrialColumns)) continue;
      is_config.bind(1, column);
      (is_config.executeStep() ? config_ : finals_) = true;
      is_config.reset();
    }
  }
  bool operator()(const std::string& column) const { return all_ || columns_.contains(column); }
  bool config() const { return config_; }
  bool finals() const { return finals_; }

 private:
  std::unordered_set<std::string> columns_;
  bool all_;
  bool config_;
  bool finals_;
};

}  // namespace

std::vector<json> Store::trial_rows(const RowFilter& filter) const {
  auto& connection = database_->connection();
  return database_->read([&] {
    const Wanted wanted(connection, filter.columns);
    SQLite::Statement select(
        connection, select_trials(filter, wanted.config() ? "(SELECT config FROM configurations "
                                                            "WHERE configurations.key = trials.key)"
                                                          : "NULL"));
    bind_filter(select, filter);
    SQLite::Statement finals(connection, "SELECT name, value FROM finals WHERE attempt = ?");

    std::vector<json> rows;
    while (select.executeStep()) {
      json row = json::object();
      // What was set first stays: an axis cannot hide the status, a metric cannot hide an axis.
      const auto set = [&](const std::string& column, auto&& value) {
        if (wanted(column)) row.emplace(column, std::forward<decltype(value)>(value)());
      };
      set("key", [&] { return select.getColumn(0).getString(); });
      set("name", [&] { return text_or_null(select.getColumn(3)); });
      set("status", [&] {
        return select.getColumn(7).isNull() ? json("queued") : text_or_null(select.getColumn(7));
      });
      set("seed", [&] { return static_cast<std::uint64_t>(select.getColumn(1).getInt64()); });
      set("sweep", [&] { return text_or_null(select.getColumn(2)); });
      set("group", [&] { return text_or_null(select.getColumn(4)); });
      set("attempt", [&] { return number_or_null(select.getColumn(8)); });
      set("started", [&] {
        const SQLite::Column started = select.getColumn(11);
        return started.isNull() ? json() : json(format_utc(started.getInt64() / 1000));
      });
      set("seconds", [&] { return number_or_null(select.getColumn(12)); });
      set("failure_class", [&] { return text_or_null(select.getColumn(9)); });
      set("message", [&] { return text_or_null(select.getColumn(10)); });
      if (!select.getColumn(5).isNull()) {
        for (const json& axis : json::parse(select.getColumn(5).getText())) {
          set(axis.at(0).get<std::string>(), [&] { return axis.at(1); });
        }
      }
      if (wanted.config() && !select.getColumn(13).isNull()) {
        json config = json::parse(select.getColumn(13).getText());
        for (auto& [key, value] : config.items()) {
          set(key, [&value = value] { return std::move(value); });
        }
      }
      if (wanted.finals() && !select.getColumn(6).isNull()) {
        finals.bind(1, select.getColumn(6).getInt64());
        while (finals.executeStep()) {
          set(finals.getColumn(0).getString(), [&] { return number_or_null(finals.getColumn(1)); });
        }
        finals.reset();
      }
      rows.push_back(std::move(row));
    }
    return rows;
  });
}

std::vector<std::string> Store::column_names(const RowFilter& filter) const {
  auto& connection = database_->connection();
  return database_->read([&] {
    std::vector<std::string> out(kTrialColumns.begin(), kTrialColumns.end());
    std::unordered_set<std::string> seen(out.begin(), out.end());
    const auto add = [&](const std::string& name) {
      if (seen.insert(name).second) out.push_back(name);
    };
    std::vector<std::string> metrics;
    {
      std::unordered_set<std::string> seen_metrics;
      SQLite::Statement finals(connection, "SELECT name FROM finals WHERE attempt = ?");
      SQLite::Statement select(connection, select_trials(filter, "NULL"));
      bind_filter(select, filter);
      while (select.executeStep()) {
        if (!select.getColumn(5).isNull()) {
          for (const json& axis : json::parse(select.getColumn(5).getText())) {
            add(axis.at(0).get<std::string>());
          }
        }
        if (select.getColumn(6).isNull()) continue;
        finals.bind(1, select.getColumn(6).getInt64());
        while (finals.executeStep()) {
          const std::string name = finals.getColumn(0).getString();
          if (seen_metrics.insert(name).second) metrics.push_back(name);
        }
        finals.reset();
      }
    }
    std::sort(metrics.begin(), metrics.end(), [](const std::string& a, const std::string& b) {
      return std::pair(position_in(kFirstMetrics, a), a) <
             std::pair(position_in(kFirstMetrics, b), b);
    });
    for (const std::string& name : metrics) add(name);
    SQLite::Statement keys(connection, "SELECT name FROM configuration_keys ORDER BY name");
    while (keys.executeStep()) add(keys.getColumn(0).getString());
    return out;
  });
}

}  // namespace bitsweep::store
