// The run folders are the truth: rebuilding, verifying, importing, merging, removing.
#include "store/care.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/file.h"
#include "fixture.h"

namespace bitsweep::store {
namespace {

namespace fs = std::filesystem;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

// Two sweeps; one trial ok after a failure, one preempted, one failed, two never begun.
void fill(Store& store) {
  store.put_sweep(make_sweep(), make_trials(5));
  store.put_sweep(make_sweep("other"), make_trials(1, "other"));
  run_failed(store, make_trial(0).key, "crash");
  run_ok(store, make_trial(0).key, 0.5);
  run_failed(store, make_trial(1).key, "preempted");
  run_failed(store, make_trial(2).key, "data");
}

void remove_database(const fs::path& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(path.string() + suffix);
}

TEST_CASE("a rebuilt database says exactly what the lost one said") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  std::string digest;
  std::vector<nlohmann::json> rows;
  {
    auto store = Store::open(path, Access::write);
    fill(store);
    digest = store.content_digest();
    rows = store.trial_rows();
  }
  SECTION("lost") { remove_database(path); }
  SECTION("there") {}
  SECTION("damaged") { fs::resize_file(path, fs::file_size(path) / 2); }
  SECTION("another file") {
    remove_database(path);
    write_file_atomic(path, std::string(5000, 'x'));
  }
  const Rebuilt rebuilt = rebuild(path, MissingFolders::refuse);
  CHECK(rebuilt.trials == 5);
  CHECK(rebuilt.attempts == 4);
  CHECK(rebuilt.problems.empty());
  const auto store = Store::open(path, Access::read);
  CHECK(store.trial_rows() == rows);
  CHECK(store.content_digest() == digest);
  CHECK(store.bitmap(make_trial(0).key).has_value());
  CHECK(verify(store).empty());
}

TEST_CASE("run folders alone, without the sweep files, give back every attempt and name") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  {
    auto store = Store::open(path, Access::write);
    fill(store);
  }
  remove_database(path);
  fs::remove_all(folder / "sweeps");
  CHECK(rebuild(path, MissingFolders::refuse).attempts == 4);
  const auto rows = Store::open(path, Access::read).trial_rows();
  REQUIRE(rows.size() == 3);
  CHECK(rows[0].at("name") == "demo/method=m0,seed=0");
  CHECK(rows[0].at("top1") == 0.5);
}

TEST_CASE("a rebuild resolves attempts whose processes died, and leaves those that run") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  auto store = Store::open(path, Access::write);
  store.put_sweep(make_sweep(), make_trials(2));
  const auto alive = store.begin_attempt(make_trial(0).key, {"cpu", "run"});
  store.begin_attempt(make_trial(1).key, {"cpu", "run"});
  rebuild(path, MissingFolders::refuse);
  CHECK(store.trial_rows().at(0).at("status") == "running");
  CHECK(store.trial_rows().at(1).at("status") == "preempted");
}

TEST_CASE("a rebuild that would lose attempts is refused until told to drop them") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  auto store = Store::open(path, Access::write);
  fill(store);
  const std::string digest = store.content_digest();
  fs::remove_all(folder / "runs");
  CHECK_THROWS_MATCHES(
      rebuild(path, MissingFolders::refuse), StoreError,
      MessageMatches(ContainsSubstring("4 attempts") && ContainsSubstring("--drop-missing")));
  CHECK(store.content_digest() == digest);
  CHECK(rebuild(path, MissingFolders::drop).attempts == 0);
}

TEST_CASE("a damaged run folder costs that attempt alone, and is reported") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  {
    auto store = Store::open(path, Access::write);
    fill(store);
  }
  write_file_atomic(folder / "runs" / make_trial(2).key / "1" / "attempt.json", std::string("{"));
  const Rebuilt rebuilt = rebuild(path, MissingFolders::refuse);
  CHECK(rebuilt.attempts == 3);
  REQUIRE(rebuilt.problems.size() == 1);
  CHECK_THAT(rebuilt.problems[0], ContainsSubstring("attempt.json"));
}

TEST_CASE("verify names missing folders, unknown folders and differences") {
  const TemporaryFolder folder;
  const auto path = folder / "results.db";
  auto store = Store::open(path, Access::write);
  fill(store);
  REQUIRE(verify(store).empty());
  const auto only_problem = [&] {
    const auto problems = verify(store);
    REQUIRE(problems.size() == 1);
    return problems.front();
  };
  SECTION("missing") {
    fs::remove_all(folder / "runs" / make_trial(2).key);
    CHECK_THAT(only_problem(), ContainsSubstring("missing"));
  }
  SECTION("unknown") {
    SQLite::Database(path.string(), SQLite::OPEN_READWRITE)
        .exec("DELETE FROM attempts WHERE failure_class = 'data'");
    CHECK_THAT(only_problem(), ContainsSubstring("not in the database"));
  }
  SECTION("different") {
    SQLite::Database(path.string(), SQLite::OPEN_READWRITE)
        .exec("UPDATE finals SET value = 0.99 WHERE name = 'top1'");
    CHECK_THAT(only_problem(), ContainsSubstring("differ"));
  }
  SECTION("forged") {
    SQLite::Database(path.string(), SQLite::OPEN_READWRITE)
        .exec("UPDATE configurations SET canonical = '{}' WHERE key = '" + make_trial(4).key + "'");
    CHECK_THAT(only_problem(), ContainsSubstring("another key"));
  }
}

std::string trial_lines(const Store& store) {
  std::string lines;
  for (const auto& row : store.trial_rows()) {
    const std::string key = row.at("key");
    lines += to_json(store.trial(key), store.attempts(key)).dump() + "\n";
  }
  return lines;
}

TEST_CASE("trials.jsonl brings trials to an empty database, once, and a rebuild keeps them") {
  const TemporaryFolder there;
  const TemporaryFolder here;
  auto from = Store::open(there / "results.db", Access::write);
  fill(from);
  write_file_atomic(there / "trials.jsonl", trial_lines(from));
  auto to = Store::open(here / "results.db", Access::write);
  const Imported first = import_trials(to, there / "trials.jsonl");
  CHECK(first.trials == 5);
  CHECK(first.attempts == 4);
  const Imported second = import_trials(to, there / "trials.jsonl");
  CHECK(second.attempts == 0);
  CHECK(second.known == 4);
  CHECK(to.trial_rows() == from.trial_rows());
  CHECK_FALSE(to.bitmap(make_trial(0).key).has_value());  // the digest alone travels
  CHECK(to.shown_attempt(make_trial(0).key)->bitmaps.at(0).sha256 ==
        from.shown_attempt(make_trial(0).key)->bitmaps.at(0).sha256);
  CHECK(verify(to).empty());
  const std::string digest = to.content_digest();
  rebuild(here / "results.db", MissingFolders::refuse);
  CHECK(to.content_digest() == digest);
}

TEST_CASE("a bad line of trials.jsonl is named, and nothing is imported") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "from/results.db", Access::write);
  fill(store);
  std::string lines = trial_lines(store);
  SECTION("cut short") { lines.resize(lines.size() - 20); }
  SECTION("forged") {
    const auto last = lines.rfind("resnet20");
    const auto canonical = lines.rfind("{\\\"quant");
    REQUIRE(last != std::string::npos);
    REQUIRE(canonical != std::string::npos);
    lines[canonical + 5] = 'X';
  }
  write_file_atomic(folder / "trials.jsonl", lines);
  auto to = Store::open(folder / "to/results.db", Access::write);
  CHECK_THROWS_MATCHES(import_trials(to, folder / "trials.jsonl"), DataError,
                       MessageMatches(ContainsSubstring("trials.jsonl:5:")));
  CHECK(to.trial_rows().empty());
}

TEST_CASE("merging brings over everything, bitmaps and series included, and keeps both attempts") {
  const TemporaryFolder there;
  const TemporaryFolder here;
  auto from = Store::open(there / "results.db", Access::write);
  fill(from);
  auto to = Store::open(here / "results.db", Access::write);
  to.put_sweep(make_sweep(), make_trials(2));
  run_failed(to, make_trial(0).key, "user");
  const Imported merged = merge(to, from);
  CHECK(merged.trials == 3);
  CHECK(merged.attempts == 4);
  CHECK(to.attempts(make_trial(0).key).size() == 3);
  CHECK(to.bitmap(make_trial(0).key).value().bits.size() == 2);
  CHECK(to.shown_attempt(make_trial(0).key)->series.size() == 2);
  CHECK(verify(to).empty());
  CHECK(merge(to, from).attempts == 0);
  CHECK_THROWS_AS(merge(to, to), ConfigError);
}

TEST_CASE("merging keeps our text of a sweep that was edited, and says so") {
  const TemporaryFolder there;
  const TemporaryFolder here;
  auto from = Store::open(there / "results.db", Access::write);
  fill(from);
  auto to = Store::open(here / "results.db", Access::write);
  to.put_sweep(make_sweep("demo", "edited"), make_trials(1));
  const Imported merged = merge(to, from);
  REQUIRE(merged.skipped.size() == 1);
  CHECK_THAT(merged.skipped[0], ContainsSubstring("'demo'"));
  CHECK(to.trial_rows({.sweep = "demo", .keys = {}, .columns = {}}).size() == 1);
  CHECK(to.sweep("demo")->text == "edited");
}

TEST_CASE("removing takes failed attempts that a success superseded, and all only when asked") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  fill(store);
  CHECK(removable_attempts(store, Garbage::all_failed).size() == 3);
  const auto removable = removable_attempts(store, Garbage::superseded);
  REQUIRE(removable.size() == 1);
  CHECK(removable[0].failure_class == "crash");
  CHECK(removable[0].bytes > 0);
  remove_attempt(store, removable[0]);
  CHECK_FALSE(fs::exists(removable[0].folder));
  CHECK(store.attempts(make_trial(0).key).size() == 1);
  CHECK(verify(store).empty());
}

TEST_CASE("checkpoints are spare once their trial has succeeded") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  fill(store);  // trial 0 has succeeded after a failure
  const auto add = [&](const std::string& key, const char* number) {
    write_file_atomic(store.runs_folder() / key / number / "checkpoints/20.safetensors",
                      std::string("state"));
  };
  add(make_trial(0).key, "1");
  add(make_trial(0).key, "2");
  add(make_trial(1).key, "1");
  const auto spare = spare_checkpoints(store);
  REQUIRE(spare.size() == 2);
  CHECK(spare[0].key == make_trial(0).key);
  CHECK(spare[0].number == 1);
  CHECK(spare[0].bytes == 5);
  CHECK(spare[1].number == 2);
}

}  // namespace
}  // namespace bitsweep::store
