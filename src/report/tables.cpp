#include "report/tables.h"

#include <algorithm>
#include <map>
#include <set>

#include "config/expression.h"
#include "core/text.h"
#include "report/format.h"
#include "report/paired.h"

namespace bitsweep::report {
namespace {

constexpr std::size_t kShortKey = 12;  // hexadecimal digits; `repro` takes any unambiguous prefix

// What stands in place of a number that is not there.
std::string absence(const Group& group) {
  for (const Run* run : group.runs) {
    const store::AttemptRecord* attempt = run->shown();
    if (attempt != nullptr && attempt->failure) {
      return fmt::format("{} ({})", store::to_string(attempt->status),
                         attempt->failure->failure_class);
    }
  }
  const store::Status status = group.runs.front()->status();
  return status == store::Status::queued ? "not run" : std::string(store::to_string(status));
}

Text linked(const Group& group, std::string text) {
  Text out;
  out.add(std::move(text), Style::plain, group.anchor);
  return out;
}

Text result_cell(const Group& group, const std::string& metric) {
  if (const auto ours = estimate(group, metric))
    return linked(group, format_estimate(metric, *ours));
  return group.successful().empty() ? linked(group, absence(group)) : Text("–");
}

std::string published(const store::ClaimRecord& claim) {
  const int decimals = claim.details.value("decimals", 2);
  return metric_kind(claim.metric) == MetricKind::accuracy
             ? format_percent(claim.value, decimals)
             : format_metric(claim.metric, claim.value);
}

std::string difference(const Judgement& judgement) {
  if (!judgement.comparison) return "";
  const Comparison& comparison = *judgement.comparison;
  if (metric_kind(judgement.claim->metric) != MetricKind::accuracy) {
    return fmt::format("{:+.4g}", comparison.difference);
  }
  std::string out = format_points(comparison.difference);
  if (judgement.ours->noise == Noise::binomial || judgement.ours->noise == Noise::student) {
    out += fmt::format(" [{}, {}]", format_points(comparison.interval.lower),
                       format_points(comparison.interval.upper));
  }
  return out;
}

Text verdict_cell(const Judgement& judgement) {
  Text out;
  out.add(std::string(to_string(judgement.verdict)), Style::strong);
  if (!judgement.reason.empty()) out.add(": " + judgement.reason);
  if (!judgement.command.empty()) out.add("; ").add(judgement.command, Style::code);
  return out;
}

// How a configuration is told apart: its axes, or its own name where it stands outside the product.
bool is_outside_product(const Group& group, const std::vector<std::string>& axes) {
  return std::all_of(axes.begin(), axes.end(), [&](const std::string& axis) {
    return std::none_of(group.axes.begin(), group.axes.end(), [&](const auto& item) {
      return item.first == axis && !item.second.is_null();
    });
  });
}

std::vector<Text> axis_cells(const Group& group, const std::vector<std::string>& axes) {
  std::vector<Text> cells;
  if (is_outside_product(group, axes)) {
    cells.emplace_back(group.name);
    cells.resize(std::max<std::size_t>(axes.size(), 1));
    return cells;
  }
  for (const std::string& axis : axes) cells.emplace_back(format_json(group.value_of(axis)));
  return cells;
}

// The values of `name` in order of appearance.
std::vector<nlohmann::json> distinct(const std::vector<const Group*>& groups,
                                     const std::string& name) {
  std::vector<nlohmann::json> out;
  for (const Group* group : groups) {
    const nlohmann::json value = group->value_of(name);
    if (std::find(out.begin(), out.end(), value) == out.end()) out.push_back(value);
  }
  return out;
}

bool any_has(const std::vector<Group>& groups, std::string_view metric) {
  return std::any_of(groups.begin(), groups.end(),
                     [&](const Group& group) { return estimate(group, metric).has_value(); });
}

void flatten(const std::string& prefix, const nlohmann::json& value,
             std::map<std::string, std::map<std::string, std::int64_t>>& out) {
  if (value.is_object()) {
    for (const auto& [name, inner] : value.items()) {
      flatten(prefix.empty() ? name : prefix + "." + name, inner, out);
    }
  } else if (!value.is_null()) {
    ++out[prefix][format_json(value)];
  }
}

}  // namespace

std::vector<std::string> accuracy_metrics(const std::vector<Group>& groups) {
  std::set<std::pair<bool, std::string>> found;
  for (const Group& group : groups) {
    for (const Run* run : group.successful()) {
      for (const auto& [name, value] : run->shown()->finals.items()) {
        const bool is_top5 = name.size() >= 4 && name.substr(name.size() - 4) == "top5";
        if (metric_kind(name) == MetricKind::accuracy) found.emplace(is_top5, name);
      }
    }
  }
  std::vector<std::string> out;
  for (const auto& [is_top5, name] : found) out.push_back(name);
  return out;
}

std::vector<std::string> varying_axes(const std::vector<Group>& groups) {
  std::vector<std::string> labels;
  std::map<std::string, std::set<std::string>> values;
  for (const Group& group : groups) {
    for (const auto& [label, value] : group.axes) {
      if (values[label].empty()) labels.push_back(label);
      values[label].insert(value.dump());
    }
  }
  std::erase_if(labels, [&](const std::string& label) { return values[label].size() < 2; });
  return labels;
}

Table claims_table(const std::vector<Judgement>& judgements) {
  Table table;
  table.columns = {{"claim"},
                   {"metric"},
                   {"published", Align::right},
                   {"ours, mean ± sd (n)", Align::right},
                   {"difference [95 % interval]", Align::right},
                   {"verdict"}};
  for (const Judgement& judgement : judgements) {
    const store::ClaimRecord& claim = *judgement.claim;
    Row row;
    row.cells.emplace_back(claim.id);
    row.cells.emplace_back(metric_heading(claim.metric));
    row.cells.emplace_back(published(claim));
    row.cells.push_back(judgement.group == nullptr ? Text("–")
                                                   : result_cell(*judgement.group, claim.metric));
    row.cells.emplace_back(difference(judgement));
    row.cells.push_back(verdict_cell(judgement));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table layout_table(const TableLayout& layout, const std::vector<Group>& groups,
                   const std::vector<Judgement>& judgements) {
  std::vector<const Group*> chosen;
  if (layout.where.empty()) {
    for (const Group& group : groups) chosen.push_back(&group);
  } else {
    const auto where =
        config::Expression::parse(layout.where, fmt::format("table '{}', where", layout.title));
    for (const Group& group : groups) {
      const nlohmann::json row = group.runs.front()->row();
      const bool matches = where.evaluate([&](std::string_view name) {
        const auto it = row.find(std::string(name));
        return it == row.end() ? config::Value() : config::value_from_json(*it);
      });
      if (matches) chosen.push_back(&group);
    }
  }

  // Axes that the layout does not name would put several results into one cell: they become rows.
  std::vector<std::string> row_names{layout.rows};
  for (const std::string& axis : varying_axes(groups)) {
    if (axis != layout.rows && axis != layout.columns && distinct(chosen, axis).size() > 1) {
      row_names.push_back(axis);
    }
  }
  const std::vector<nlohmann::json> columns = layout.columns.empty()
                                                  ? std::vector<nlohmann::json>{nullptr}
                                                  : distinct(chosen, layout.columns);

  const auto claim_for = [&](const Group& group) -> const Judgement* {
    for (const Judgement& judgement : judgements) {
      if (judgement.group == &group && judgement.claim->metric == layout.metric) return &judgement;
    }
    return nullptr;
  };
  const bool has_claims = std::any_of(chosen.begin(), chosen.end(), [&](const Group* group) {
    return claim_for(*group) != nullptr;
  });

  Table table;
  table.caption = fmt::format("{} – {}", layout.title, metric_heading(layout.metric));
  for (const std::string& name : row_names) table.columns.push_back({name});
  for (const nlohmann::json& value : columns) {
    const std::string head = layout.columns.empty() ? "" : format_json(value) + ": ";
    if (has_claims) table.columns.push_back({head + "published", Align::right});
    table.columns.push_back({layout.columns.empty() ? "ours"
                             : has_claims           ? head + "ours"
                                                    : format_json(value),
                             Align::right});
    if (has_claims) {
      table.columns.push_back({head + "difference", Align::right});
      table.columns.push_back({head + "verdict"});
    }
  }
  const std::size_t cells_a_column = has_claims ? 4 : 1;
  std::vector<std::string> labels;  // of the rows so far
  for (const Group* group : chosen) {
    Row row;
    std::string label;
    for (const std::string& name : row_names) {
      std::string text = format_json(group->value_of(name));
      // A point outside the product has no value on the axis that names the rows: its own name.
      if (name == layout.rows && group->value_of(name).is_null()) text = group->name;
      label += text + "\n";
      row.cells.emplace_back(std::move(text));
    }
    auto at = std::find(labels.begin(), labels.end(), label) - labels.begin();
    if (static_cast<std::size_t>(at) == labels.size()) {
      labels.push_back(label);
      row.cells.resize(row_names.size() + cells_a_column * columns.size());
      table.rows.push_back(std::move(row));
    }
    auto& cells = table.rows[static_cast<std::size_t>(at)].cells;
    const auto column = layout.columns.empty() ? 0
                                               : std::find(columns.begin(), columns.end(),
                                                           group->value_of(layout.columns)) -
                                                     columns.begin();
    std::size_t cell = row_names.size() + cells_a_column * static_cast<std::size_t>(column);
    const Judgement* judgement = claim_for(*group);
    if (has_claims) cells[cell++] = judgement != nullptr ? published(*judgement->claim) : "";
    cells[cell++] = result_cell(*group, layout.metric);
    if (judgement != nullptr) {
      cells[cell++] = difference(*judgement);
      cells[cell] = std::string(to_string(judgement->verdict));
    }
  }
  return table;
}

Table overview_table(const std::vector<Group>& groups) {
  const std::vector<std::string> axes = varying_axes(groups);
  const std::vector<std::string> accuracies = accuracy_metrics(groups);
  const std::string main_metric = accuracies.empty() ? "top1" : accuracies.front();
  const bool has_bits = any_has(groups, "weight_bits_average");
  const bool has_baseline = std::any_of(groups.begin(), groups.end(), [&](const Group& group) {
    return baseline_of(group, groups) != nullptr;
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
      const Group* baseline = baseline_of(group, groups);
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

Table trials_table(const std::vector<Group>& groups) {
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
      row.cells.back().add("bitsweep repro " + run->trial.key.substr(0, kShortKey), Style::code);
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

Table provenance_table(const ReportInput& input) {
  std::map<std::string, std::map<std::string, std::int64_t>> found;
  for (const Run& run : input.runs) {
    const store::AttemptRecord* attempt = run.shown();
    if (attempt == nullptr || attempt->status != store::Status::ok) continue;
    flatten("", attempt->fingerprint, found);
    if (!attempt->fingerprint.contains("device") && !attempt->device.empty()) {
      ++found["device"][attempt->device];
    }
  }
  Table table;
  table.columns = {{"what"}, {"value"}, {"trials", Align::right}};
  for (const auto& [name, values] : found) {
    for (const auto& [value, trials] : values) {
      Row row;
      row.cells.emplace_back(name);
      row.cells.emplace_back();
      row.cells.back().add(value, Style::code);
      row.cells.emplace_back(std::to_string(trials));
      table.rows.push_back(std::move(row));
    }
  }
  return table;
}

}  // namespace bitsweep::report
