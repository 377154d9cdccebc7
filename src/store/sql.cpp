#include "store/sql.h"

#include <sqlite3.h>

#include <memory>
#include <string_view>

#include "core/text.h"
#include "store/database.h"

namespace bitsweep::store {
namespace {

using Clock = std::chrono::steady_clock;

int authorize(void*, int action, const char*, const char* name, const char*, const char*) {
  switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
      return SQLITE_OK;
    case SQLITE_FUNCTION:
      return name != nullptr && std::string_view(name) == "load_extension" ? SQLITE_DENY
                                                                           : SQLITE_OK;
    default:
      return SQLITE_DENY;
  }
}

int is_over(void* deadline) {
  return Clock::now() > *static_cast<const Clock::time_point*>(deadline) ? 1 : 0;
}

// One statement's memory stays within reason whatever it asks for.
void limit_resources(sqlite3* handle) {
  sqlite3_limit(handle, SQLITE_LIMIT_LENGTH, 64 << 20);
  sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0);
  sqlite3_db_config(handle, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
}

nlohmann::json value_of(sqlite3_stmt* statement, int column) {
  switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
      return sqlite3_column_int64(statement, column);
    case SQLITE_FLOAT:
      return sqlite3_column_double(statement, column);
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, column));
      return std::string(text, static_cast<std::size_t>(sqlite3_column_bytes(statement, column)));
    }
    case SQLITE_BLOB: {
      const auto* bytes = static_cast<const unsigned char*>(sqlite3_column_blob(statement, column));
      std::string digits;
      for (int i = 0; i < sqlite3_column_bytes(statement, column); ++i) {
        digits += fmt::format("{:02x}", bytes[i]);
      }
      return digits;
    }
    default:
      return nullptr;
  }
}

struct Finalize {
  void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

}  // namespace

SqlResult run_sql(const std::filesystem::path& path, const std::string& sql,
                  std::chrono::milliseconds limit) {
  const Database database(path, Access::read);
  sqlite3* handle = database.connection().getHandle();
  limit_resources(handle);
  sqlite3_set_authorizer(handle, authorize, nullptr);
  Clock::time_point deadline = Clock::now() + limit;
  sqlite3_progress_handler(handle, 1000, is_over, &deadline);

  const auto refuse = [&](int code) {
    if (code == SQLITE_INTERRUPT) {
      throw StoreError(fmt::format("the query took longer than {}; --timeout gives it more",
                                   format_duration(std::chrono::duration<double>(limit).count())));
    }
    if (code == SQLITE_AUTH) {
      throw ConfigError(fmt::format(
          "the query may only read ({}): a single SELECT without ATTACH, PRAGMA or writing",
          sqlite3_errmsg(handle)));
    }
    throw ConfigError(fmt::format("SQL: {}", sqlite3_errmsg(handle)));
  };

  sqlite3_stmt* prepared = nullptr;
  const char* rest = nullptr;
  const int code =
      sqlite3_prepare_v2(handle, sql.c_str(), static_cast<int>(sql.size()) + 1, &prepared, &rest);
  const std::unique_ptr<sqlite3_stmt, Finalize> statement(prepared);
  if (code != SQLITE_OK) refuse(code);
  if (prepared == nullptr) throw ConfigError("SQL: the query is empty");
  if (!trim(rest).empty())
    throw ConfigError(fmt::format("SQL: one statement a query, not also '{}'", trim(rest)));

  SqlResult out;
  for (int i = 0; i < sqlite3_column_count(prepared); ++i) {
    out.columns.emplace_back(sqlite3_column_name(prepared, i));
  }
  int step = SQLITE_ROW;
  while ((step = sqlite3_step(prepared)) == SQLITE_ROW) {
    std::vector<nlohmann::json>& row = out.rows.emplace_back();
    for (std::size_t i = 0; i < out.columns.size(); ++i) {
      row.push_back(value_of(prepared, static_cast<int>(i)));
    }
  }
  if (step != SQLITE_DONE) refuse(step);
  return out;
}

}  // namespace bitsweep::store
