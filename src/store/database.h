// One connection to the database file: opening, migrating, transactions, and SQLite's errors turned
// into sentences. Included by this room alone, so that SQLiteCpp stays behind store/store.h.
#pragma once

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <filesystem>
#include <type_traits>
#include <utility>

#include "core/error.h"
#include "store/store.h"

namespace bitsweep::store {

// SQLite cannot make sense of the file: `db rebuild` recreates it from the run folders.
struct DamagedError : StoreError {
  using StoreError::StoreError;
};

// There is no file, or an empty one that another process is about to make a database.
struct MissingError : StoreError {
  using StoreError::StoreError;
};

class Database {
 public:
  // See Store::open.
  Database(std::filesystem::path path, Access access);

  const std::filesystem::path& path() const { return path_; }
  SQLite::Database& connection() const { return connection_; }

  // Runs `body`, which uses the connection, with SQLite's errors translated.
  template <typename Body>
  auto guarded(Body&& body) const {
    try {
      return body();
    } catch (const SQLite::Exception& error) {
      throw_translated(error);
    }
  }

  // Runs `body` in one transaction that holds the write lock from its start (a reader that turns
  // writer midway cannot be made to wait); rolled back where it throws.
  template <typename Body>
  auto write(Body&& body) {
    return guarded([&] {
      SQLite::Transaction transaction(connection_, SQLite::TransactionBehavior::IMMEDIATE);
      if constexpr (std::is_void_v<decltype(body())>) {
        body();
        transaction.commit();
      } else {
        auto result = body();
        transaction.commit();
        return result;
      }
    });
  }

  // Runs `body` on one snapshot of the database.
  template <typename Body>
  auto read(Body&& body) const {
    return guarded([&] {
      // Inside write() the writer's own snapshot serves.
      if (sqlite3_get_autocommit(connection_.getHandle()) == 0) return body();
      SQLite::Transaction transaction(connection_);  // ends with the scope: nothing was written
      return body();
    });
  }

 private:
  void migrate();
  [[noreturn]] void throw_translated(const SQLite::Exception& error) const;

  std::filesystem::path path_;
  mutable SQLite::Database connection_;
};

// The schema that this program reads and writes.
int schema_version();

}  // namespace bitsweep::store
