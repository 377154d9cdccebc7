// Sweeps, attempts and rows.
#include "store/store.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "core/file.h"
#include "core/hash.h"
#include "fixture.h"

namespace bitsweep::store {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;
using nlohmann::json;

TEST_CASE("a trial without attempts is queued, and its row has every configuration key") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  store.put_sweep(make_sweep(), make_trials(2));
  const auto rows = store.trial_rows();
  REQUIRE(rows.size() == 2);
  const json& row = rows[1];
  CHECK(row.at("key") == make_trial(1).key);
  CHECK(row.at("name") == "demo/method=m0,seed=1");
  CHECK(row.at("status") == "queued");
  CHECK(row.at("seed") == 1);
  CHECK(row.at("method") == "m0");
  CHECK(row.at("bits") == 1);
  CHECK(row.at("quant.weight.bits") == 1);
  CHECK(row.at("data.root").is_null());
  CHECK(row.at("attempt").is_null());
}

TEST_CASE("a trial's row is its latest successful attempt, else its latest") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  store.put_sweep(make_sweep(), make_trials(1));
  const std::string key = make_trial(0).key;
  const auto row = [&] { return store.trial_rows().at(0); };

  run_failed(store, key, "crash");
  CHECK(row().at("status") == "failed");
  CHECK(row().at("failure_class") == "crash");
  CHECK(row().at("message") == "worker ended by signal 11");

  run_ok(store, key, 0.5);
  CHECK(row().at("status") == "ok");
  CHECK(row().at("attempt") == 2);
  CHECK(row().at("top1") == 0.5);
  CHECK(row().at("failure_class").is_null());

  run_failed(store, key, "timeout");
  CHECK(row().at("status") == "ok");
  CHECK(row().at("attempt") == 2);

  run_ok(store, key, 0.75);
  CHECK(row().at("attempt") == 4);
  CHECK(row().at("top1") == 0.75);

  const auto running = store.begin_attempt(key, {"cpu", "again"});
  CHECK(row().at("status") == "ok");
}

TEST_CASE("a preempted attempt is preempted, not failed") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  store.put_sweep(make_sweep(), make_trials(1));
  const std::string key = make_trial(0).key;
  run_failed(store, key, "preempted");
  CHECK(store.trial_rows().at(0).at("status") == "preempted");
  CHECK(store.state_of(std::vector{key}).at(0).failures == 0);
}

TEST_CASE("finishing stores metrics, series, layers, bitmap and fingerprint of the run folder") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  store.put_sweep(make_sweep(), make_trials(1));
  const std::string key = make_trial(0).key;
  const AttemptRecord returned = run_ok(store, key, 0.9173);
  const AttemptRecord stored = store.shown_attempt(key).value();
  CHECK(to_json(stored) == to_json(returned));
  CHECK(stored.finals.at("top1") == 0.9173);
  CHECK(stored.finals.at("correct").is_number_integer());
  CHECK(stored.finals.at("loss").is_null());
  REQUIRE(stored.series.size() == 2);
  CHECK(stored.series[0] == MetricPoint{"train.loss", 2.5, 1, 0.5, {}});
  CHECK(std::isnan(stored.series[1].value));
  CHECK(stored.layers.at(1).at("name") == "fc");
  CHECK(stored.fingerprint == json{{"git", "abc"}, {"libtorch", "2.11.0"}, {"threads", 1}});
  CHECK(stored.numerics_version == 3);
  CHECK(stored.peak_memory_bytes == 1048576);
  const Bitmap bitmap = store.bitmap(key).value();
  CHECK(bitmap.images == 10);
  CHECK(bitmap.bits == std::vector{std::byte{0xF0}, std::byte{0x40}});
  CHECK_FALSE(store.bitmap(key, "top5").has_value());
}

TEST_CASE("a damaged result is refused, and failing the attempt sets it aside") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  store.put_sweep(make_sweep(), make_trials(1));
  const std::string key = make_trial(0).key;
  const auto attempt = store.begin_attempt(key, {"cpu", "run"}).value();
  write_result(attempt, 0.5);

  SECTION("bitmap of another length") {
    write_file_atomic(attempt.folder / "top1.bitmap", std::string("x"));
  }
  SECTION("bitmap of another content") {
    write_file_atomic(attempt.folder / "top1.bitmap", std::string("xy"));
  }
  SECTION("cut short") {
    const std::string text = read_text_file(attempt.folder / "result.json");
    write_file_atomic(attempt.folder / "result.json", text.substr(0, text.size() / 2));
  }
  SECTION("of another trial") {
    json result = json::parse(read_text_file(attempt.folder / "result.json"));
    result["key"] = make_trial(1).key;
    write_file_atomic(attempt.folder / "result.json", result.dump());
  }
  SECTION("a metric that is no number") {
    json result = json::parse(read_text_file(attempt.folder / "result.json"));
    result["metrics"]["top1"] = "0.5";
    write_file_atomic(attempt.folder / "result.json", result.dump());
  }
  CHECK_THROWS_MATCHES(store.finish_attempt(attempt), DataError,
                       MessageMatches(ContainsSubstring("result.json")));
  Failure failure;
  failure.failure_class = "crash";
  failure.message = "left a damaged result";
  CHECK(store.fail_attempt(attempt, failure).status == Status::failed);
  CHECK(store.trial_rows().at(0).at("status") == "failed");
}

TEST_CASE("a trial that runs is not begun a second time") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  store.put_sweep(make_sweep(), make_trials(1));
  const std::string key = make_trial(0).key;
  auto first = store.begin_attempt(key, {"cpu", "run"});
  REQUIRE(first.has_value());
  CHECK_FALSE(store.begin_attempt(key, {"cpu", "run"}).has_value());
  CHECK(store.reconcile().running.size() == 1);

  first.reset();  // as if its process had died
  const auto reconciled = store.reconcile();
  REQUIRE(reconciled.resolved.size() == 1);
  CHECK(reconciled.resolved.front() == key + "/1");
  CHECK(store.state_of(std::vector{key}).at(0).status == Status::preempted);
  CHECK(store.begin_attempt(key, {"cpu", "run"}).value().number == 2);
}

TEST_CASE("an attempt whose processes died after the result is reconciled as ok") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  store.put_sweep(make_sweep(), make_trials(2));
  for (const int i : {0, 1}) {
    const auto attempt = store.begin_attempt(make_trial(i).key, {"cpu", "run"}).value();
    write_result(attempt, 0.25);
    if (i == 1) write_file_atomic(attempt.folder / "result.json", std::string("{"));
  }
  CHECK(store.reconcile().resolved.size() == 2);
  CHECK(store.trial_rows().at(0).at("status") == "ok");
  CHECK(store.trial_rows().at(0).at("top1") == 0.25);
  CHECK(store.trial_rows().at(1).at("status") == "failed");
  CHECK(store.reconcile().resolved.empty());
}

TEST_CASE("a worker that still lives keeps its attempt running") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  store.put_sweep(make_sweep(), make_trials(1));
  auto attempt = store.begin_attempt(make_trial(0).key, {"cpu", "run"});
  auto worker_lock = FileLock::try_acquire(attempt->folder / kWorkerLockFile);
  attempt.reset();
  CHECK(store.reconcile().running.size() == 1);
  worker_lock.reset();
  CHECK(store.reconcile().resolved.size() == 1);
}

TEST_CASE("state_of tells known, status, attempts and failures since the last success") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  store.put_sweep(make_sweep(), make_trials(3));
  const auto key = [](int i) { return make_trial(i).key; };
  run_failed(store, key(0), "crash");
  run_failed(store, key(0), "timeout");
  run_ok(store, key(1), 0.5);
  run_failed(store, key(1), "crash");
  const auto states = store.state_of(std::vector{key(0), key(1), key(2), key(3)});
  CHECK(states[0].status == Status::failed);
  CHECK(states[0].failures == 2);
  CHECK(states[0].failure_class == "timeout");
  CHECK(states[1].status == Status::ok);
  CHECK(states[1].attempts == 2);
  CHECK(states[1].numerics_version == 3);
  CHECK(states[1].failure_class.empty());
  CHECK(states[2].known);
  CHECK(states[2].status == Status::queued);
  CHECK_FALSE(states[3].known);
}

TEST_CASE("an edited sweep forgets the points it dropped, the same text adds to them") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  store.put_sweep(make_sweep(), make_trials(4));
  store.put_sweep(make_sweep(), make_trials(2));  // pinned on the command line
  CHECK(store.trial_rows({.sweep = "demo", .keys = {}, .columns = {}}).size() == 4);
  store.put_sweep(make_sweep("demo", "name = \"demo\" # edited"), make_trials(2));
  CHECK(store.trial_rows({.sweep = "demo", .keys = {}, .columns = {}}).size() == 2);
  CHECK(store.trial_rows().size() == 4);
  CHECK(store.sweep("demo").value().text == "name = \"demo\" # edited");
  CHECK_FALSE(store.sweep("other").has_value());
}

TEST_CASE("a trial of two sweeps has one row, and the axes of the sweep that is asked for") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  store.put_sweep(make_sweep("b"), make_trials(1, "b"));
  store.put_sweep(make_sweep("a"), make_trials(1, "a"));
  CHECK(store.trial_rows().size() == 1);
  CHECK(store.trial_rows().at(0).at("sweep") == "a");
  const auto rows = store.trial_rows({.sweep = "b", .keys = {}, .columns = {}});
  CHECK(rows.at(0).at("name") == "b/method=m0,seed=0");
  CHECK(store.trial(make_trial(0).key).memberships.size() == 2);
}

TEST_CASE("rows hold the columns that are asked for, whichever table has them") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  store.put_sweep(make_sweep(), make_trials(2));
  run_ok(store, make_trial(0).key, 0.5);
  const auto rows = store.trial_rows({.sweep = "",
                                      .keys = {make_trial(0).key},
                                      .columns = {"name", "top1", "quant.weight.bits", "bits"}});
  REQUIRE(rows.size() == 1);
  CHECK(rows[0] == json{{"name", "demo/method=m0,seed=0"},
                        {"top1", 0.5},
                        {"quant.weight.bits", 0},
                        {"bits", 0}});
  const auto columns = store.column_names();
  const auto at = [&](const char* name) {
    return std::find(columns.begin(), columns.end(), name) - columns.begin();
  };
  CHECK(at("key") == 0);
  CHECK(at("method") < at("top1"));
  CHECK(at("top1") < at("correct"));
  CHECK(at("correct") < at("quant.weight.bits"));
  CHECK(at("quant.weight.bits") < std::ssize(columns));
}

TEST_CASE("an axis or a metric cannot hide a trial's own columns") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  auto trials = make_trials(1);
  trials[0].memberships[0].axes = {{"status", "ok"}, {"top1", "an axis"}};
  store.put_sweep(make_sweep(), trials);
  run_failed(store, trials[0].key, "data");
  CHECK(store.trial_rows().at(0).at("status") == "failed");
  run_ok(store, trials[0].key, 0.5);
  CHECK(store.trial_rows().at(0).at("top1") == "an axis");
}

TEST_CASE("a trial is found by name and by an unambiguous prefix of its key") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  auto trials = make_trials(3);
  trials[1].key = trials[0].key;  // two keys that share all but the last digit
  trials[1].key.back() = trials[0].key.back() == '0' ? '1' : '0';
  store.put_sweep(make_sweep(), trials);
  CHECK(store.find_trial("demo/method=m1,seed=0") == trials[2].key);
  CHECK(store.find_trial(trials[2].key.substr(0, 8)) == trials[2].key);
  CHECK(store.find_trial(trials[1].key) == trials[1].key);
  CHECK_THROWS_MATCHES(
      store.find_trial(trials[0].key.substr(0, 8)), ConfigError,
      MessageMatches(ContainsSubstring("2 trials") && ContainsSubstring("demo/method=m0,seed=0") &&
                     ContainsSubstring("demo/method=m0,seed=1")));
  CHECK_THROWS_MATCHES(store.find_trial(trials[2].key.substr(0, 3)), ConfigError,
                       MessageMatches(ContainsSubstring("four")));
  CHECK_THROWS_MATCHES(store.find_trial("demo/method=m1,sed=0"), ConfigError,
                       MessageMatches(ContainsSubstring("did you mean 'demo/method=m1,seed=0'?")));
}

TEST_CASE("series points come back in the order in which they were added") {
  const TemporaryFolder folder;
  auto store = Store::open(folder / "results.db", Access::write);
  store.put_sweep(make_sweep(), make_trials(1));
  const auto attempt = store.begin_attempt(make_trial(0).key, {"cpu", "run"}).value();
  store.add_metrics(attempt,
                    std::vector<MetricPoint>{{"loss", 2, 0, {}, {}}, {"loss", 1, 1, {}, {}}});
  store.add_metrics(attempt, std::vector<MetricPoint>{{"loss", 0.5, 2, {}, 9.5}});
  const auto series = store.attempts(attempt.key).at(0).series;
  REQUIRE(series.size() == 3);
  CHECK(series[2] == MetricPoint{"loss", 0.5, 2, {}, 9.5});
  CHECK(series[1].value == 1);
}

TEST_CASE("ten thousand trials are listed and looked up", "[.][benchmark]") {
  const TemporaryFolder folder;
  const auto milliseconds = [](auto&& body) {
    const std::clock_t start = std::clock();
    body();
    return 1e3 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  };
  auto trials = make_trials(10'000);
  for (TrialRecord& trial : trials) {
    for (int i = 0; i < 60; ++i) trial.config[fmt::format("quant.sites.some_key_{}", i)] = i;
  }
  std::vector<std::string> keys;
  for (const TrialRecord& trial : trials) keys.push_back(trial.key);
  auto store = Store::open(folder / "results.db", Access::write);
  std::printf("processor time on this thread\n");
  std::printf("put_sweep           %6.1f ms\n",
              milliseconds([&] { store.put_sweep(make_sweep(), trials); }));
  std::printf("put_sweep again     %6.1f ms\n",
              milliseconds([&] { store.put_sweep(make_sweep(), trials); }));
  std::size_t rows = 0;
  const std::vector<std::string> columns{"key", "name", "status", "top1", "seconds"};
  std::printf("rows of 5 columns   %6.1f ms\n", milliseconds([&] {
                rows = store.trial_rows({.sweep = "", .keys = {}, .columns = columns}).size();
              }));
  CHECK(rows == 10'000);
  std::printf("whole rows          %6.1f ms\n",
              milliseconds([&] { rows = store.trial_rows().size(); }));
  std::size_t states = 0;
  std::printf("state_of            %6.1f ms\n",
              milliseconds([&] { states = store.state_of(keys).size(); }));
  CHECK(states == 10'000);
}

}  // namespace
}  // namespace bitsweep::store
