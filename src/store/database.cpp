#include "store/database.h"

#include <chrono>
#include <string>
#include <thread>

#include "core/check.h"
#include "store/migrations.h"

namespace bitsweep::store {
namespace {

constexpr int kApplicationId = 0x42535750;  // "BSWP", in the file's header
constexpr int kBusyTimeoutMs = 30'000;

[[noreturn]] void throw_missing(const std::filesystem::path& path) {
  throw MissingError(
      fmt::format("{}: there is no database yet; `bitsweep run` makes it (another one: --db FILE)",
                  path.string()));
}

SQLite::Database open_connection(const std::filesystem::path& path, Access access) {
  std::error_code error;
  if (access == Access::read) {
    if (!std::filesystem::exists(path, error)) {
      throw_missing(path);
    }
  } else {
    const auto folder = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    std::filesystem::create_directories(folder, error);
    if (error) {
      throw EnvironmentError(fmt::format("{}: the database's folder cannot be made: {}",
                                         folder.string(), error.message()));
    }
  }
  if (std::filesystem::is_directory(path, error)) {
    throw StoreError(fmt::format("{}: is a folder, not a database", path.string()));
  }
  const int flags =
      access == Access::read ? SQLite::OPEN_READONLY : SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE;
  try {
    return SQLite::Database(path.string(), flags, kBusyTimeoutMs);
  } catch (const SQLite::Exception& failure) {
    throw EnvironmentError(
        fmt::format("{}: the database cannot be opened for {}: {}", path.string(),
                    access == Access::read ? "reading" : "writing", failure.what()));
  }
}

int pragma_number(SQLite::Database& connection, const char* pragma) {
  return connection.execAndGet(pragma).getInt();
}

// Changing the journal mode does not wait for other connections by itself.
void use_write_ahead_log(SQLite::Database& connection) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::milliseconds(kBusyTimeoutMs);
  while (true) {
    try {
      if (connection.execAndGet("PRAGMA journal_mode").getString() == "wal") return;
      connection.exec("PRAGMA journal_mode = WAL");
    } catch (const SQLite::Exception& error) {
      if (error.getErrorCode() != SQLITE_BUSY || std::chrono::steady_clock::now() > give_up) throw;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
}

}  // namespace

int schema_version() { return static_cast<int>(migrations().size()); }

Database::Database(std::filesystem::path path, Access access)
    : path_(std::move(path)), connection_(open_connection(path_, access)) {
  guarded([&] {
    const int version = pragma_number(connection_, "PRAGMA user_version");
    const bool empty = connection_.execAndGet("SELECT count(*) FROM sqlite_schema").getInt() == 0;
    const int application = pragma_number(connection_, "PRAGMA application_id");
    if (application != kApplicationId && !(empty && application == 0 && version == 0)) {
      throw StoreError(fmt::format("{}: is a SQLite database of another program, not of bitsweep",
                                   path_.string()));
    }
    if (version > schema_version()) {
      throw StoreError(fmt::format(
          "{}: is a database of schema {}, and this bitsweep knows schemas up to {}; use the newer "
          "bitsweep that wrote it, or another database (--db FILE)",
          path_.string(), version, schema_version()));
    }
    if (access == Access::read) {
      if (version == schema_version()) return;
      if (empty) throw_missing(path_);
      throw StoreError(fmt::format(
          "{}: is a database of schema {}, and this bitsweep reads schema {}; `bitsweep db migrate "
          "--db {}` brings it up to date",
          path_.string(), version, schema_version(), path_.string()));
    }
    use_write_ahead_log(connection_);
    connection_.exec("PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON");
    if (version < schema_version()) migrate();
  });
}

void Database::migrate() {
  write([&] {
    // Another process may have been faster.
    const int version = pragma_number(connection_, "PRAGMA user_version");
    for (int i = version; i < schema_version(); ++i) {
      connection_.exec(std::string(migrations()[static_cast<std::size_t>(i)]));
    }
    connection_.exec(fmt::format("PRAGMA application_id = {}", kApplicationId));
    connection_.exec(fmt::format("PRAGMA user_version = {}", schema_version()));
  });
}

void Database::throw_translated(const SQLite::Exception& error) const {
  const std::string path = path_.string();
  switch (error.getErrorCode()) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      throw StoreError(
          fmt::format("{}: the database is busy: another process has held its write "
                      "lock for {} s; try again when that is done",
                      path, kBusyTimeoutMs / 1000));
    case SQLITE_NOTADB:
      throw DamagedError(
          fmt::format("{}: is not a database, or its first page is damaged; "
                      "`bitsweep db rebuild` recreates it from the run folders",
                      path));
    case SQLITE_CORRUPT:
      throw DamagedError(
          fmt::format("{}: the database is damaged ({}); `bitsweep db rebuild` "
                      "recreates it from the run folders",
                      path, error.what()));
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
      throw EnvironmentError(
          fmt::format("{}: the database or its folder cannot be written: {}", path, error.what()));
    case SQLITE_FULL:
    case SQLITE_IOERR:
      throw EnvironmentError(fmt::format("{}: writing failed: {}", path, error.what()));
    default:
      throw StoreError(fmt::format("{}: {}", path, error.what()));
  }
}

}  // namespace bitsweep::store
