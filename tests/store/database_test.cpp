// Opening: what is refused, and with which sentence.
#include "store/database.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fstream>

#include "core/file.h"
#include "fixture.h"
#include "store/migrations.h"
#include "store/tables.h"

namespace bitsweep::store {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

void exec(const std::filesystem::path& path, const std::string& sql) {
  SQLite::Database(path.string(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE).exec(sql);
}

TEST_CASE("a database of a newer schema is refused with both versions and exit code 4") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  Store::open(path, Access::write);
  exec(path, "PRAGMA user_version = 99");
  for (const Access access : {Access::read, Access::write}) {
    try {
      Store::open(path, access);
      FAIL("a newer schema was opened");
    } catch (const StoreError& error) {
      CHECK(error.exit_code() == ExitCode::kStore);
      CHECK_THAT(error.what(), ContainsSubstring("schema 99") && ContainsSubstring("up to 2"));
    }
  }
}

TEST_CASE("a database of schema 1 keeps what it had, and can hold epochs after its migration") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  const std::string key(64, 'a');
  exec(path, std::string(migrations()[0]) +
                 "PRAGMA application_id = 1112758096; PRAGMA user_version = 1;"
                 "INSERT INTO trials VALUES ('" +
                 key +
                 "', 7);"
                 "INSERT INTO configurations VALUES ('" +
                 key +
                 "', '{}', '{\"kind\":\"ptq\"}');"
                 "INSERT INTO environments VALUES (1, 'e', '{\"threads\":1}');"
                 "INSERT INTO attempts (id, key, number, status, started_ms, device, command, "
                 "environment) VALUES (1, '" +
                 key +
                 "', 1, 'ok', 1000, 'cpu', 'run', 1);"
                 "INSERT INTO finals VALUES (1, 'top1', 0.5);");
  CHECK_THROWS_MATCHES(Store::open(path, Access::read), StoreError,
                       MessageMatches(ContainsSubstring("bitsweep db migrate")));
  auto store = Store::open(path, Access::write);
  AttemptRecord attempt = store.shown_attempt(key).value();
  CHECK(attempt.finals.at("top1") == 0.5);
  CHECK(attempt.epochs == nlohmann::json::array());
  CHECK(attempt.state_sha256.empty());
  CHECK_FALSE(to_json(attempt).contains("epochs"));

  attempt.epochs = {{{"epoch", 1}, {"state_sha256", "s"}, {"train_loss", 0.25}}};
  attempt.state_sha256 = "s";
  attempt.resumed_from = "1/checkpoints/5.safetensors";
  store.database().write([&] { put_attempt(store.database().connection(), attempt); });
  CHECK(to_json(store.shown_attempt(key).value()) == to_json(attempt));
  CHECK(Store::open(path, Access::read).state_of(std::vector{key}).at(0).status == Status::ok);
}

TEST_CASE("a database that is missing is an error for readers and made for writers") {
  const TemporaryFolder folder;
  const auto path = folder / "new/results.db";
  CHECK_FALSE(Store::open_if_exists(path).has_value());
  CHECK_THROWS_MATCHES(Store::open(path, Access::read), StoreError,
                       MessageMatches(ContainsSubstring("no database")));
  CHECK_FALSE(std::filesystem::exists(path));
  Store::open(path, Access::write);
  CHECK(Store::open_if_exists(path).has_value());
}

TEST_CASE("a database that is just being made is not there yet for readers") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  write_file_atomic(path, std::string());
  CHECK_FALSE(Store::open_if_exists(path).has_value());
  CHECK_THROWS_MATCHES(Store::open(path, Access::read), StoreError,
                       MessageMatches(ContainsSubstring("no database")));
  Store::open(path, Access::write);
  CHECK(Store::open_if_exists(path).has_value());
}

TEST_CASE("a file that is no database is refused and left as it is") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  const std::string text(5000, 'x');
  write_file_atomic(path, text);
  for (const Access access : {Access::read, Access::write}) {
    CHECK_THROWS_MATCHES(Store::open(path, access), StoreError,
                         MessageMatches(ContainsSubstring("not a database")));
  }
  CHECK(read_text_file(path) == text);
}

TEST_CASE("a SQLite database of another program is refused") {
  const TemporaryFolder folder;
  const auto path = folder / "other.db";
  exec(path, "CREATE TABLE bookmarks (url TEXT)");
  CHECK_THROWS_MATCHES(Store::open(path, Access::write), StoreError,
                       MessageMatches(ContainsSubstring("another program")));
}

TEST_CASE("a database damaged in the middle is an error of exit code 4, never wrong rows") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  {
    auto store = Store::open(path, Access::write);
    store.put_sweep(make_sweep(), make_trials(200));
  }
  const auto size = std::filesystem::file_size(path);
  {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(4096);
    file << std::string(size - 8192, '\xAB');
  }
  const auto read_rows = [&] { return Store::open(path, Access::read).trial_rows(); };
  CHECK_THROWS_MATCHES(read_rows(), StoreError, MessageMatches(ContainsSubstring("damaged")));
}

TEST_CASE("a folder that cannot be made is named") {
  const TemporaryFolder folder;
  write_file_atomic(folder / "file", std::string("text"));
  CHECK_THROWS_MATCHES(Store::open(folder / "file/results.db", Access::write), EnvironmentError,
                       MessageMatches(ContainsSubstring("file")));
  CHECK_THROWS_MATCHES(Store::open(folder.path(), Access::write), StoreError,
                       MessageMatches(ContainsSubstring("is a folder")));
}

}  // namespace
}  // namespace bitsweep::store
