// ls, query, show, diff, db and gc as people type them, on a database made by hand.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/differences.h"
#include "core/file.h"
#include "program.h"
#include "store/fixture.h"

namespace bitsweep::store {
namespace {

using Catch::Matchers::ContainsSubstring;
using nlohmann::json;
using test::Outcome;

// Six trials of "demo": 0 and 1 ok, 2 failed, 3 ok after a failure, 4 and 5 queued.
struct Results {
  TemporaryFolder folder;
  std::filesystem::path path = folder / "results/results.db";
  Results() {
    auto store = Store::open(path, Access::write);
    store.put_sweep(make_sweep(), make_trials(6));
    run_ok(store, make_trial(0).key, 0.5);
    run_ok(store, make_trial(1).key, 0.75);
    run_failed(store, make_trial(2).key, "data");
    run_failed(store, make_trial(3).key, "crash");
    run_ok(store, make_trial(3).key, 0.625);
  }
  Outcome operator()(const std::vector<std::string>& arguments) const {
    return test::run_bitsweep(arguments, folder.path());
  }
  json rows(const std::vector<std::string>& arguments) const {
    const Outcome outcome = (*this)(arguments);
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    const json document = json::parse(outcome.out);
    CHECK(document.at("schema_version") == 1);
    return document.at("rows");
  }
};

std::vector<std::string> names_of(const json& rows) {
  std::vector<std::string> out;
  for (const json& row : rows) out.push_back(row.at("name"));
  return out;
}

TEST_CASE("ls lists every trial in plan order, and its JSON has whole rows", "[cli]") {
  const Results results;
  const json rows = results.rows({"ls", "--json"});
  REQUIRE(rows.size() == 6);
  const json& row = rows.at(1);
  CHECK(row.at("key") == make_trial(1).key);
  CHECK(row.at("status") == "ok");
  CHECK(row.at("seed") == 1);
  CHECK(row.at("method") == "m0");
  CHECK(row.at("quant.weight.bits") == 1);
  CHECK(row.at("data.root").is_null());
  CHECK(row.at("top1") == 0.75);
  CHECK(rows.at(5).at("top1").is_null());
  const Outcome table = results({"ls"});
  CHECK_THAT(table.out,
             ContainsSubstring(make_trial(1).key.substr(0, 12) + "  demo/method=m0,seed=1"));
  CHECK(std::count(table.out.begin(), table.out.end(), '\n') == 7);
}

TEST_CASE("ls filters by status, text, glob and expression, sorts and limits", "[cli]") {
  const Results results;
  CHECK(results.rows({"ls", "--json", "--status", "failed"}).size() == 1);
  CHECK(results.rows({"ls", "--json", "--status", "ok,queued"}).size() == 5);
  CHECK(results.rows({"ls", "--json", "m1"}).size() == 2);
  CHECK(results.rows({"ls", "--json", "*seed=1"}).size() == 3);
  CHECK(results.rows({"ls", "--json", "--where", "quant.weight.bits in [0, 4]"}).size() == 2);
  CHECK(results.rows({"ls", "--json", "m1", "--status", "ok"}).size() == 1);
  CHECK(names_of(results.rows({"ls", "--json", "--sort=-top1", "--limit", "2"})) ==
        std::vector<std::string>{"demo/method=m0,seed=1", "demo/method=m1,seed=1"});
  CHECK(names_of(results.rows({"ls", "--json", "--sort", "top1", "--limit", "1"})) ==
        std::vector<std::string>{"demo/method=m0,seed=0"});
  CHECK(results({"ls", "--status", "done"}).exit_code == 2);
}

TEST_CASE("query selects by expression, with the columns that are asked for", "[cli]") {
  const Results results;
  const Outcome csv = results(
      {"query", "top1 > 0.6", "--format", "csv", "--columns", "name,quant.weight.bits,top1"});
  CHECK(csv.out ==
        "name,quant.weight.bits,top1\r\n"
        "\"demo/method=m0,seed=1\",1,0.75\r\n\"demo/method=m1,seed=1\",3,0.625\r\n");
  CHECK(
      results.rows({"query", "method ~ 'm*' and not status == 'ok'", "--format", "json"}).size() ==
      3);
  const Outcome lines = results({"query", "seed == 0", "--format", "jsonl", "--columns", "seed"});
  CHECK(lines.out == "{\"seed\":0}\n{\"seed\":0}\n{\"seed\":0}\n");
}

TEST_CASE("an unknown name, column, sort key or sweep is exit 2 with the nearest one", "[cli]") {
  const Results results;
  const auto refused = [&](const std::vector<std::string>& arguments, const char* near) {
    const Outcome outcome = results(arguments);
    CHECK(outcome.exit_code == 2);
    CHECK(outcome.out.empty());
    CHECK_THAT(outcome.err, ContainsSubstring(near));
  };
  refused({"query", "quant.weight.bit == 4"}, "quant.weight.bits");
  refused({"query", "--columns", "nme"}, "did you mean 'name'?");
  refused({"ls", "--sort", "top2"}, "did you mean 'top1'?");
  refused({"ls", "--sweep", "dmo"}, "did you mean 'demo'?");
  refused({"query", "top1 >"}, "column");
  refused({"show", "ffffffff"}, "no trial");
}

TEST_CASE("query --sql reads the views and refuses to write", "[cli]") {
  const Results results;
  const json rows = results.rows({"query", "--sql",
                                  "SELECT name, top1 FROM v_trials WHERE top1 > 0.6 ORDER BY top1",
                                  "--format", "json"});
  CHECK(rows == json{{{"name", "demo/method=m1,seed=1"}, {"top1", 0.625}},
                     {{"name", "demo/method=m0,seed=1"}, {"top1", 0.75}}});
  const Outcome refused = results({"query", "--sql", "DELETE FROM attempts"});
  CHECK(refused.exit_code == 2);
  CHECK_THAT(refused.err, ContainsSubstring("only read"));
  CHECK(results({"query", "top1 > 0", "--sql", "SELECT 1"}).exit_code == 2);
}

TEST_CASE("show gives one trial whole, by name or by first digits", "[cli]") {
  const Results results;
  const json row = results.rows({"show", "demo/method=m1,seed=1", "--json"}).at(0);
  CHECK(row.at("top1") == 0.625);
  CHECK(row.at("quant.weight.bits") == 3);
  CHECK(row.at("attempts").size() == 2);
  CHECK(row.at("attempts").at(0).at("failure").at("class") == "crash");
  CHECK(row.at("layers").size() == 2);
  CHECK(row.at("fingerprint").at("libtorch") == "2.11.0");
  CHECK(row.at("command") == "bitsweep repro " + make_trial(3).key.substr(0, 12));
  const Outcome text = results({"show", make_trial(3).key.substr(0, 8)});
  for (const char* part : {"demo/method=m1,seed=1", "quant.weight.bits = 3", "top1 = 0.625",
                           "worker ended by signal 11", "conv1", "libtorch", "bitsweep repro"}) {
    CHECK_THAT(text.out, ContainsSubstring(part));
  }
}

TEST_CASE("diff shows only what differs, and tests the first two on their common images", "[cli]") {
  const Results results;
  const Outcome outcome =
      results({"diff", "demo/method=m0,seed=0", "demo/method=m0,seed=1", "--json"});
  REQUIRE(outcome.exit_code == 0);
  const json document = json::parse(outcome.out);
  std::vector<std::string> keys;
  for (const json& row : document.at("rows")) keys.push_back(row.at("key"));
  CHECK(keys == std::vector<std::string>{"quant.weight.bits", "seed", "top1"});
  CHECK(document.at("rows").at(2).at("values") == json{0.5, 0.75});
  CHECK(
      document.at("mcnemar") ==
      json{
          {"images", 10}, {"only_first", 0}, {"only_second", 0}, {"p_exact", 1.0}, {"p_mid", 1.0}});
  const Outcome queued = results({"diff", "demo/method=m0,seed=0", "demo/method=m2,seed=0"});
  CHECK_THAT(queued.out, ContainsSubstring("No paired test"));
  CHECK(results({"diff", "demo/method=m0,seed=0"}).exit_code == 2);
}

TEST_CASE("db rebuild and db verify agree with the run folders", "[cli]") {
  const Results results;
  CHECK(results({"db", "verify"}).exit_code == 0);
  const std::string before = results({"ls", "--json"}).out;
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(results.path.string() + suffix);
  }
  CHECK(results({"ls"}).exit_code == 4);
  const Outcome rebuilt = results({"db", "rebuild"});
  CHECK(rebuilt.exit_code == 0);
  CHECK_THAT(rebuilt.out, ContainsSubstring("6 trials, 5 attempts"));
  CHECK(results({"ls", "--json"}).out == before);

  std::filesystem::remove_all(results.folder / "results/runs" / make_trial(2).key);
  const Outcome verified = results({"db", "verify"});
  CHECK(verified.exit_code == 4);
  CHECK_THAT(verified.out, ContainsSubstring("missing"));
  CHECK(results({"db", "rebuild"}).exit_code == 4);
  CHECK(results({"db", "rebuild", "--drop-missing"}).exit_code == 0);
}

TEST_CASE("db merge takes in another database, db import a report's trials", "[cli]") {
  const Results results;
  CHECK(results({"db", "merge", "results/results.db", "--db", "new/results.db"}).exit_code == 0);
  CHECK(results.rows({"ls", "--json", "--db", "new/results.db"}) == results.rows({"ls", "--json"}));
  const auto store = Store::open(results.path, Access::read);
  const std::string key = make_trial(0).key;
  write_file_atomic(results.folder / "trials.jsonl",
                    to_json(store.trial(key), store.attempts(key)).dump() + "\n");
  const Outcome imported = results({"db", "import", "trials.jsonl", "--db", "third/results.db"});
  CHECK_THAT(imported.out, ContainsSubstring("1 new trials, 1 new attempts"));
  CHECK(results({"db", "import", "nowhere.jsonl"}).exit_code == 5);
}

TEST_CASE("gc lists what failures left, and removes it only when told to", "[cli]") {
  const Results results;
  const auto folder = results.folder / "results/runs" / make_trial(3).key / "1";
  const Outcome listed = results({"gc"});
  CHECK_THAT(listed.out, ContainsSubstring("crash"));
  CHECK_THAT(listed.err, ContainsSubstring("1 attempts"));
  CHECK(std::filesystem::exists(folder));
  CHECK(results({"gc", "--delete"}).exit_code == 0);
  CHECK_FALSE(std::filesystem::exists(folder));
  CHECK(results({"db", "verify"}).exit_code == 0);
}

TEST_CASE("a missing or damaged database is exit 4 for every command that reads it", "[cli]") {
  const TemporaryFolder folder;
  write_file_atomic(folder / "results/results.db", std::string(5000, 'x'));
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"ls"},
                                             {"query"},
                                             {"query", "--sql", "SELECT 1"},
                                             {"show", "abcd"},
                                             {"diff", "abcd", "ef01"},
                                             {"db", "verify"},
                                             {"gc"}}) {
    CAPTURE(command);
    const Outcome damaged = test::run_bitsweep(command, folder.path());
    CHECK(damaged.exit_code == 4);
    CHECK_THAT(damaged.err, ContainsSubstring("not a database"));
    auto elsewhere = command;
    elsewhere.insert(elsewhere.end(), {"--db", "nowhere.db"});
    CHECK(test::run_bitsweep(elsewhere, folder.path()).exit_code == 4);
  }
  CHECK_FALSE(std::filesystem::exists(folder / "nowhere.db"));
}

}  // namespace

TEST_CASE("results are compared where both runs have them, times never", "[cli]") {
  AttemptRecord before, after;
  before.finals = {{"top1", 0.5}, {"loss", 2.0}, {"seconds", 3.0}};
  after.finals = {{"top1", 0.5},
                  {"loss", 2.5},
                  {"seconds", 4.0},
                  {"integer.images_per_second", 70.0},
                  {"weight_entropy", 7.4}};
  const auto differences = cli::compare_results(before, after);
  REQUIRE(differences.size() == 1);
  CHECK(differences[0].what == "loss");
  CHECK(cli::new_results(before, after) == std::vector<std::string>{"weight_entropy"});
  CHECK(cli::compare_results(after, before).size() == 2);  // what is no longer measured differs
}

}  // namespace bitsweep::store
