#include "report/collect.h"

#include <algorithm>

#include "core/error.h"
#include "core/text.h"

namespace bitsweep::report {
namespace {

std::vector<std::string> strings_of(const nlohmann::json& object, const char* key) {
  return object.value(key, std::vector<std::string>{});
}

// sweep::plan_to_json wrote it.
void read_plan(const nlohmann::json& plan, ReportInput& out) {
  try {
    out.source = plan.value("source", out.sweep.name);
    for (const auto& table : plan.value("tables", nlohmann::json::array())) {
      out.tables.push_back({table.value("title", ""), table.value("where", ""),
                            strings_of(table, "rows"), strings_of(table, "columns"),
                            table.value("metric", "top1")});
    }
    out.notes = strings_of(plan, "notes");
    for (const auto& point : plan.value("skipped", nlohmann::json::array())) {
      out.skipped.push_back({point.at("name"), point.at("reason")});
    }
    for (const auto& lint : plan.value("lints", nlohmann::json::array())) {
      out.lints.push_back(lint.at("message"));
    }
  } catch (const nlohmann::json::exception& error) {
    throw StoreError(
        fmt::format("the frozen plan of sweep '{}' is damaged: {}", out.sweep.name, error.what()));
  }
}

}  // namespace

ReportInput collect(const store::Store* store, const store::SweepRecord& sweep,
                    const std::vector<store::TrialRecord>& trials) {
  ReportInput out;
  out.sweep = sweep;
  read_plan(sweep.plan, out);
  for (const store::TrialRecord& trial : trials) {
    Run run;
    run.trial = trial;
    if (store != nullptr) run.attempts = store->attempts(trial.key);
    out.runs.push_back(std::move(run));
  }
  return out;
}

ReportInput collect_by_name(const store::Store& store, std::string_view name) {
  const auto sweep = store.sweep(name);
  if (!sweep) throw ConfigError(unknown_name_message("sweep", name, store.sweep_names()));
  store::RowFilter filter;
  filter.sweep = name;
  filter.columns = {"key"};
  std::vector<store::TrialRecord> trials;
  for (const nlohmann::json& row : store.trial_rows(filter)) {
    store::TrialRecord trial = store.trial(row.at("key").get<std::string>());
    std::erase_if(trial.memberships,
                  [&](const store::Membership& membership) { return membership.sweep != name; });
    trials.push_back(std::move(trial));
  }
  return collect(&store, *sweep, trials);
}

}  // namespace bitsweep::report
