#include "report/tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/axes.h"
#include "report/cells.h"
#include "report/format.h"
#include "report/paired.h"

namespace bitsweep::report {
namespace {

constexpr std::size_t kShortKey = 12;  // hexadecimal digits; `repro` takes any unambiguous prefix

bool any_has(const std::vector<Group>& groups, std::string_view metric) {
  return std::any_of(groups.begin(), groups.end(),
                     [&](const Group& group) { return estimate(group, metric).has_value(); });
}

}  // namespace

Table claims_table(const std::vector<Judgement>& judgements) {
  Table table;
  table.columns = {{"claim"},
                   {"metric"},
                   {"published", Align::right},
                   {"ours, mean ± sd (n)", Align::right},
                   {"difference (95 % interval)", Align::right},
                   {"verdict"}};
  for (const Judgement& judgement : judgements) {
    const store::ClaimRecord& claim = *judgement.claim;
    Row row;
    row.cells.emplace_back(claim.id);
    row.cells.emplace_back(metric_heading(claim.metric));
    row.cells.emplace_back(published_text(claim));
    row.cells.push_back(judgement.group == nullptr ? Text("–")
                                                   : result_cell(*judgement.group, claim.metric));
    row.cells.emplace_back(difference_text(judgement));
    row.cells.push_back(verdict_cell(judgement));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table overview_table(const std::vector<Group>& groups) {
  const std::vector<std::string> axes = varying_axes(groups);
  const std::vector<std::string> accuracies = accuracy_metrics(groups);
  const std::string main_metric = accuracies.empty() ? "top1" : accuracies.front();
  const bool has_bits = any_has(groups, "weight_bits_average");
  const std::vector<const Group*> baselines = baselines_of(groups);
  const bool has_baseline = std::any_of(groups.begin(), groups.end(), [&](const Group& group) {
    return baseline_of(group, baselines) != nullptr;
  });

  Table table;
  for (const std::string& axis : axes) table.columns.push_back({axis});
  if (axes.empty()) table.columns.push_back({"configuration"});
  if (has_bits) table.columns.push_back({"average bits W / A", Align::right});
  table.columns.push_back({metric_heading(main_metric), Align::right});
  table.columns.push_back({"95 % interval", Align::right});
  if (has_baseline) {
    table.columns.push_back({"to FP32 (points)", Align::right});
    table.columns.push_back({"McNemar p", Align::right});
  }
  std::vector<std::string> others(accuracies.begin() + (accuracies.empty() ? 0 : 1),
                                  accuracies.end());
  for (const char* metric : {"loss", "seconds"}) {
    if (any_has(groups, metric)) others.emplace_back(metric);
  }
  for (const std::string& metric : others)
    table.columns.push_back({metric_heading(metric), Align::right});

  for (const Group& group : groups) {
    Row row;
    row.cells = axes.empty() ? std::vector<Text>{Text(group.name)} : axis_cells(group, axes);
    if (has_bits) {
      const auto weight = estimate(group, "weight_bits_average");
      const auto activation = estimate(group, "activation_bits_average");
      row.cells.emplace_back(
          weight && activation
              ? fmt::format("{:.2f} / {:.2f}", weight->sample.mean, activation->sample.mean)
              : "–");
    }
    const auto ours = estimate(group, main_metric);
    row.cells.push_back(result_cell(group, main_metric));
    row.cells.emplace_back(ours ? format_interval(main_metric, *ours) : "");
    if (has_baseline) {
      const Group* baseline = baseline_of(group, baselines);
      const auto reference = baseline != nullptr ? estimate(*baseline, main_metric) : std::nullopt;
      const auto test = baseline != nullptr ? paired_test(group, *baseline) : std::nullopt;
      row.cells.emplace_back(
          ours && reference ? format_points(ours->sample.mean - reference->sample.mean) : "");
      row.cells.emplace_back(test ? format_p(test->test.p_exact) : "");
    }
    for (const std::string& metric : others) {
      const auto value = estimate(group, metric);
      row.cells.emplace_back(value ? format_metric(metric, value->sample.mean) : "");
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table paired_table(const std::vector<Group>& groups) {
  std::vector<const Group*> rows;
  for (const Group& group : groups) {
    if (rows.size() < kPairedRows && paired_test(group, group)) rows.push_back(&group);
  }
  Table table;
  if (rows.size() < 2) return table;
  table.columns = {{""}, {"configuration"}};
  for (const Group* group : rows) table.columns.push_back({group->anchor, Align::right});
  for (std::size_t r = 0; r < rows.size(); ++r) {
    Row row;
    row.cells.push_back(linked(*rows[r], rows[r]->anchor));
    row.cells.emplace_back(rows[r]->name);
    for (std::size_t c = 0; c < rows.size(); ++c) {
      const auto test = r == c ? std::nullopt : paired_test(*rows[r], *rows[c]);
      if (!test) {
        row.cells.emplace_back(r == c ? "" : "–");
      } else if (c > r) {
        row.cells.emplace_back(format_p(test->test.p_exact));
      } else {
        row.cells.emplace_back(
            fmt::format("{} · {}", test->test.only_first, test->test.only_second));
      }
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table trials_table(const ReportInput& input, const std::vector<Group>& groups) {
  Table table;
  table.columns = {
      {"cell"}, {"configuration"}, {"seed", Align::right}, {"status"}, {"run it again"}};
  for (const Group& group : groups) {
    for (const Run* run : group.runs) {
      Row row;
      const bool is_first = run == group.runs.front();
      if (is_first) row.anchor = group.anchor;
      const store::AttemptRecord* attempt = run->shown();
      std::string status = attempt == nullptr ? "not run" : std::string(to_string(run->status()));
      if (attempt != nullptr && attempt->failure)
        status += " (" + attempt->failure->failure_class + ")";
      row.cells.emplace_back(is_first ? group.anchor : "");
      row.cells.emplace_back(is_first ? group.name : "");
      row.cells.emplace_back(std::to_string(run->trial.seed));
      row.cells.emplace_back(std::move(status));
      row.cells.emplace_back();
      row.cells.back().add(attempt == nullptr
                               ? "bitsweep run " + input.source
                               : "bitsweep repro " + run->trial.key.substr(0, kShortKey),
                           Style::code);
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

}  // namespace bitsweep::report
