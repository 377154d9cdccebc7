// From a database to what a report needs.
#include "report/collect.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "../store/fixture.h"
#include "core/error.h"
#include "report/compose.h"

using namespace bitsweep;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

namespace {

store::SweepRecord planned_sweep() {
  store::SweepRecord sweep = store::make_sweep();
  sweep.plan = {{"schema_version", 1},
                {"source", "sweeps/demo.toml"},
                {"tables", {{{"title", "By method"}, {"rows", {"method"}}, {"metric", "top1"}}}},
                {"notes", {"a short schedule"}},
                {"skipped", {{{"name", "demo/bits=9"}, {"reason", "diverges"}}}},
                {"lints", {{{"rule", "one_seed"}, {"message", "one seed"}}}}};
  return sweep;
}

}  // namespace

TEST_CASE("collect_by_name gathers trials in plan order with what the database knows of them") {
  const store::TemporaryFolder folder;
  auto database = store::Store::open(folder / "results.db", store::Access::write);
  const auto trials = store::make_trials(3);
  database.put_sweep(planned_sweep(), trials);
  store::run_ok(database, trials[0].key, 0.9);
  store::run_failed(database, trials[1].key, "oom_host");

  const report::ReportInput input = report::collect_by_name(database, "demo");
  REQUIRE(input.runs.size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(input.runs[i].trial.key == trials[i].key);
  CHECK(input.runs[0].status() == store::Status::ok);
  CHECK(input.runs[0].row().at("top1") == 0.9);
  CHECK(input.runs[0].row().at("method") == "m0");
  CHECK_FALSE(input.runs[0].shown()->bitmaps.empty());
  CHECK(input.runs[1].status() == store::Status::failed);
  CHECK(input.runs[2].status() == store::Status::queued);
  CHECK(input.source == "sweeps/demo.toml");
  REQUIRE(input.tables.size() == 1);
  CHECK(input.tables[0].rows == std::vector<std::string>{"method"});
  REQUIRE(input.skipped.size() == 1);
  CHECK(input.skipped[0].reason == "diverges");
  CHECK(input.lints == std::vector<std::string>{"one seed"});
  CHECK(input.notes == std::vector<std::string>{"a short schedule"});
}

TEST_CASE("a trial of two sweeps is reported under the name that it has in the one asked for") {
  const store::TemporaryFolder folder;
  auto database = store::Store::open(folder / "results.db", store::Access::write);
  database.put_sweep(planned_sweep(), store::make_trials(2));
  database.put_sweep(store::make_sweep("alpha"), store::make_trials(2, "alpha"));
  for (const report::Run& run : report::collect_by_name(database, "demo").runs) {
    CHECK(run.trial.memberships.size() == 1);
    CHECK(run.membership().sweep == "demo");
  }
}

TEST_CASE("a rebuilt report of an unchanged database has the same bytes") {
  const store::TemporaryFolder folder;
  std::vector<report::ReportFile> first;
  {
    auto database = store::Store::open(folder / "results.db", store::Access::write);
    const auto trials = store::make_trials(4);
    database.put_sweep(planned_sweep(), trials);
    for (const auto& trial : trials) store::run_ok(database, trial.key, 0.8);
    first = report::compose(report::collect_by_name(database, "demo")).files;
  }
  const auto database = store::Store::open(folder / "results.db", store::Access::read);
  const auto second = report::compose(report::collect_by_name(database, "demo")).files;
  REQUIRE(first.size() == second.size());
  for (std::size_t i = 0; i < first.size(); ++i) {
    CAPTURE(first[i].path);
    CHECK((first[i].content == second[i].content));
    // The database lies in a folder of its own each time: its path must not show.
    CHECK(first[i].content.find(folder.path().string()) == std::string::npos);
  }
}

TEST_CASE("an unknown sweep is an error with the names that the database knows") {
  const store::TemporaryFolder folder;
  auto database = store::Store::open(folder / "results.db", store::Access::write);
  database.put_sweep(planned_sweep(), store::make_trials(1));
  CHECK_THROWS_MATCHES(report::collect_by_name(database, "dmeo"), ConfigError,
                       MessageMatches(ContainsSubstring("did you mean 'demo'")));
}

TEST_CASE("a frozen plan of the wrong shape is a damaged database") {
  store::SweepRecord sweep = planned_sweep();
  sweep.plan["skipped"] = {{{"name", 7}}};
  CHECK_THROWS_AS(report::collect(nullptr, sweep, {}), StoreError);
}

TEST_CASE("without a database every trial is reported as not run") {
  const report::ReportInput input =
      report::collect(nullptr, planned_sweep(), store::make_trials(2));
  REQUIRE(input.runs.size() == 2);
  CHECK(input.runs[0].status() == store::Status::queued);
}
