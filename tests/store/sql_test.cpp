// `query --sql` reads and does nothing else.
#include "store/sql.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/file.h"
#include "fixture.h"

namespace bitsweep::store {
namespace {

using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

struct Filled {
  TemporaryFolder folder;
  std::filesystem::path path = folder / "results.db";
  Filled() {
    auto store = Store::open(path, Access::write);
    store.put_sweep(make_sweep(), make_trials(4));
    run_ok(store, make_trial(1).key, 0.5);
    run_failed(store, make_trial(2).key, "crash");
  }
};

TEST_CASE("every documented view can be read") {
  const Filled filled;
  const auto trials =
      run_sql(filled.path,
              "SELECT name, status, top1, config ->> '$.\"quant.weight.bits\"' AS bits "
              "FROM v_trials ORDER BY ordinal",
              10s);
  CHECK(trials.columns == std::vector<std::string>{"name", "status", "top1", "bits"});
  REQUIRE(trials.rows.size() == 4);
  CHECK(trials.rows[1] == std::vector<nlohmann::json>{"demo/method=m0,seed=1", "ok", 0.5, 1});
  CHECK(trials.rows[0][1] == "queued");
  const auto groups =
      run_sql(filled.path,
              "SELECT group_name, trials, ok, failed, queued FROM v_groups ORDER BY ordinal", 10s);
  CHECK(groups.rows[0] == std::vector<nlohmann::json>{"demo/method=m0", 2, 1, 0, 1});
  CHECK(groups.rows[1] == std::vector<nlohmann::json>{"demo/method=m1", 2, 0, 1, 1});
  CHECK(run_sql(filled.path, "SELECT * FROM v_metrics WHERE final", 10s).rows.size() == 4);
  CHECK(run_sql(filled.path, "SELECT * FROM v_metrics WHERE NOT final", 10s).rows.size() == 2);
  CHECK(run_sql(filled.path, "SELECT id, value FROM v_claims", 10s).rows.at(0).at(1) == 0.738);
  CHECK(run_sql(filled.path, "SELECT name FROM v_layers ORDER BY position", 10s).rows.at(1).at(0) ==
        "fc");
}

TEST_CASE("docs/database.md names every view with every column") {
  const Filled filled;
  const std::string page = read_text_file(SOURCE_FOLDER "/docs/database.md");
  const auto views = run_sql(
      filled.path,
      "SELECT name FROM sqlite_schema WHERE type = 'view' AND name LIKE 'v\\_%' ESCAPE '\\'", 10s);
  CHECK(views.rows.size() == 6);
  for (const auto& view : views.rows) {
    const auto name = view.at(0).get<std::string>();
    const auto begin = page.find("### " + name + "\n");
    INFO(name);
    REQUIRE(begin != std::string::npos);
    const std::string section = page.substr(begin, page.find("\n#", begin + 3) - begin);
    for (const std::string& column : run_sql(filled.path, "SELECT * FROM " + name, 10s).columns) {
      CHECK_THAT(section, ContainsSubstring("`" + column + "`"));
    }
  }
}

TEST_CASE("blobs are hexadecimal, integers and reals keep their kind") {
  const Filled filled;
  const auto result = run_sql(filled.path, "SELECT bits, 1, 1.0, NULL, 'x' FROM bitmaps", 10s);
  CHECK(result.rows.at(0) == std::vector<nlohmann::json>{"f040", 1, 1.0, nullptr, "x"});
  CHECK(result.rows.at(0).at(2).is_number_float());
}

TEST_CASE("writing, attaching, pragmas and extensions are refused") {
  const Filled filled;
  for (const std::string sql : std::initializer_list<const char*>{
           "DELETE FROM trials", "INSERT INTO trials VALUES ('x', 1)",
           "UPDATE attempts SET status = 'ok'", "DROP TABLE trials", "CREATE TABLE t (x)",
           "CREATE TEMP TABLE t (x)", "ATTACH '/tmp/other.db' AS other", "PRAGMA user_version = 7",
           "PRAGMA journal_mode = DELETE", "SELECT * FROM pragma_table_info('trials')",
           "SELECT load_extension('/tmp/x.so')", "VACUUM", "VACUUM INTO '/tmp/copy.db'", "BEGIN",
           "REINDEX", "WITH x AS (SELECT 1) DELETE FROM trials"}) {
    CAPTURE(sql);
    CHECK_THROWS_AS(run_sql(filled.path, sql, 10s), ConfigError);
  }
  CHECK(Store::open(filled.path, Access::read).trial_rows().size() == 4);
}

TEST_CASE("one statement a query, and its errors are SQLite's sentence") {
  const Filled filled;
  CHECK_THROWS_MATCHES(run_sql(filled.path, "SELECT 1; DELETE FROM trials", 10s), ConfigError,
                       MessageMatches(ContainsSubstring("one statement")));
  CHECK(run_sql(filled.path, "SELECT 1;", 10s).rows.size() == 1);
  CHECK_THROWS_MATCHES(run_sql(filled.path, "SELECT nme FROM v_trials", 10s), ConfigError,
                       MessageMatches(ContainsSubstring("no such column: nme")));
  CHECK_THROWS_MATCHES(run_sql(filled.path, "  ", 10s), ConfigError,
                       MessageMatches(ContainsSubstring("empty")));
}

TEST_CASE("a query that does not end is ended") {
  const Filled filled;
  CHECK_THROWS_MATCHES(
      run_sql(
          filled.path,
          "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
          50ms),
      StoreError, MessageMatches(ContainsSubstring("longer than")));
}

}  // namespace
}  // namespace bitsweep::store
