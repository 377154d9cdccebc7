#include "cli/records.h"

#include <fmt/format.h>

#include <filesystem>

#include "core/hash.h"

namespace bitsweep::cli {
namespace {

std::string text_of(const std::optional<sweep::Condition>& condition) {
  return condition ? condition->expression.text() : "";
}

// The file as people type it from here; never an absolute path, which would be this machine's own.
std::string source_of(const std::filesystem::path& path) {
  if (path.is_relative()) return path.generic_string();
  std::error_code error;
  const auto relative = std::filesystem::relative(path, error);
  const bool is_below = !error && !relative.empty() && *relative.begin() != "..";
  return (is_below ? relative : path.filename()).generic_string();
}

nlohmann::json tables_of(const sweep::SweepFile& file) {
  nlohmann::json out = nlohmann::json::array();
  for (const sweep::TableLayout& table : file.tables) {
    out.push_back({{"title", table.title},
                   {"where", text_of(table.where)},
                   {"rows", table.rows},
                   {"columns", table.columns},
                   {"metric", table.metric}});
  }
  return out;
}

store::TrialRecord trial_record(const sweep::Plan& plan, std::size_t ordinal) {
  const sweep::PlannedTrial& planned = plan.trials[ordinal];
  store::TrialRecord trial;
  trial.key = planned.identity.key;
  trial.canonical = planned.identity.canonical;
  trial.config = planned.settings.to_json();
  trial.seed = static_cast<std::uint64_t>(planned.seed);
  store::Membership membership;
  membership.sweep = plan.name;
  membership.name = planned.name;
  membership.group = planned.group;
  membership.ordinal = static_cast<std::int64_t>(ordinal);
  for (std::size_t column = 0; column < plan.columns.size(); ++column) {
    const nlohmann::json value = column < planned.axis_values.size()
                                     ? config::to_json(planned.axis_values[column])
                                     : nlohmann::json();
    membership.axes.emplace_back(plan.columns[column].label, value);
  }
  trial.memberships.push_back(std::move(membership));
  return trial;
}

}  // namespace

PlanRecords records_of(const sweep::LoadedPlan& loaded) {
  PlanRecords out;
  out.sweep.name = loaded.plan.name;
  out.sweep.text = loaded.sweep.text;
  out.sweep.sha256 = sha256_hex(loaded.sweep.text);
  out.sweep.plan = sweep::plan_to_json(loaded.plan);
  out.sweep.plan["source"] = source_of(loaded.sweep.path);
  out.sweep.plan["tables"] = tables_of(loaded.sweep);
  out.sweep.plan["notes"] = loaded.sweep.notes;
  for (const sweep::Claim& claim : loaded.sweep.claims) {
    if (!claim.value) {
      out.sweep.plan["lints"].push_back(
          {{"rule", "claim_without_value"},
           {"message",
            fmt::format("{}: claim '{}' has no published value", claim.place, claim.id)}});
      continue;
    }
    out.sweep.claims.push_back({claim.id, text_of(claim.where), claim.metric, *claim.value,
                                claim.tolerance, text_of(claim.requires_), claim.details});
  }
  for (std::size_t i = 0; i < loaded.plan.trials.size(); ++i) {
    out.trials.push_back(trial_record(loaded.plan, i));
  }
  return out;
}

}  // namespace bitsweep::cli
