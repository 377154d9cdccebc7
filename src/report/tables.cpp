#include "report/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/text.h"
#include "report/condition.h"
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

// With the digits that the source prints, else as few as say the same.
std::string published(const store::ClaimRecord& claim) {
  if (metric_kind(claim.metric) != MetricKind::accuracy) {
    return format_metric(claim.metric, claim.value);
  }
  const auto decimals = claim.details.find("decimals");
  if (decimals != claim.details.end() && decimals->is_number_integer()) {
    return format_percent(claim.value, decimals->get<int>());
  }
  std::string text = format_percent(claim.value, 3);
  text.erase(text.find_last_not_of('0') + 1);
  return text.back() == '.' ? text + "0" : text;
}

std::string difference(const Judgement& judgement) {
  if (!judgement.comparison) return "";
  const Comparison& comparison = *judgement.comparison;
  if (metric_kind(judgement.claim->metric) != MetricKind::accuracy) {
    return fmt::format("{:+.4g}", comparison.difference);
  }
  std::string out = format_points(comparison.difference);
  if (judgement.ours->noise == Noise::binomial || judgement.ours->noise == Noise::student) {
    out += fmt::format(" ({} … {})", format_points(comparison.interval.lower),
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

std::vector<const Group*> inside_product(std::vector<const Group*> groups,
                                         const std::vector<std::string>& axes) {
  std::erase_if(groups, [&](const Group* group) { return is_outside_product(*group, axes); });
  return groups;
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

// What a group says about several names: a row's or a column's place in a layout.
using Values = std::vector<nlohmann::json>;
Values values_of(const Group& group, const std::vector<std::string>& names) {
  Values out;
  for (const std::string& name : names) out.push_back(group.value_of(name));
  return out;
}

// In order of appearance.
std::vector<Values> distinct(const std::vector<const Group*>& groups,
                             const std::vector<std::string>& names) {
  std::vector<Values> out;
  for (const Group* group : groups) {
    Values values = values_of(*group, names);
    if (std::find(out.begin(), out.end(), values) == out.end()) out.push_back(std::move(values));
  }
  return out;
}

std::string format_values(const Values& values) {
  std::vector<std::string> words;
  for (const nlohmann::json& value : values) words.push_back(format_json(value));
  return join(words, ", ");
}

std::vector<const Group*> matching(const TableLayout& layout, const std::vector<Group>& groups) {
  std::vector<const Group*> out;
  const Condition where(layout.where, fmt::format("table '{}', where", layout.title));
  for (const Group& group : groups) {
    if (where.holds(group.runs.front()->row())) out.push_back(&group);
  }
  return out;
}

bool any_has(const std::vector<Group>& groups, std::string_view metric) {
  return std::any_of(groups.begin(), groups.end(),
                     [&](const Group& group) { return estimate(group, metric).has_value(); });
}

void flatten(const std::string& prefix, const nlohmann::json& value, Provenance& out) {
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

std::vector<std::string> undecided_axes(const std::vector<const Group*>& groups,
                                        const std::vector<std::string>& axes,
                                        const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const std::string& axis : axes) {
    std::map<std::string, nlohmann::json> decided;  // what the names say → the axis
    const bool is_decided = std::all_of(groups.begin(), groups.end(), [&](const Group* group) {
      const nlohmann::json value = group->value_of(axis);
      const std::string key = nlohmann::json(values_of(*group, names)).dump();
      return decided.try_emplace(key, value).first->second == value;
    });
    if (!is_decided) out.push_back(axis);
  }
  return out;
}

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
  const std::vector<const Group*> chosen = matching(layout, groups);
  // Axes that the layout does not name would put several results into one cell: they become rows.
  std::vector<std::string> named = layout.rows;
  named.insert(named.end(), layout.columns.begin(), layout.columns.end());
  const std::vector<const Group*> inside = inside_product(chosen, varying_axes(groups));
  std::vector<std::string> row_names = layout.rows;
  for (const std::string& axis : undecided_axes(inside, varying_axes(groups), named)) {
    row_names.push_back(axis);
  }
  const auto judgement_of = [&](const Group& group) -> const Judgement* {
    for (const Judgement& judgement : judgements) {
      if (judgement.group == &group && judgement.claim->metric == layout.metric) return &judgement;
    }
    return nullptr;
  };
  Table table;
  table.caption = fmt::format("{} – {}", layout.title, metric_heading(layout.metric));
  for (const std::string& name : row_names) table.columns.push_back({name});

  // A group that no column axis speaks about (a point outside the product) stands in every column.
  const auto is_in = [&](const Group& group, const Values& column) {
    const Values values = values_of(group, layout.columns);
    const bool is_everywhere = std::all_of(
        values.begin(), values.end(), [](const nlohmann::json& value) { return value.is_null(); });
    return is_everywhere || values == column;
  };
  std::vector<Values> columns = distinct(chosen, layout.columns);
  if (columns.size() > 1) std::erase(columns, Values(layout.columns.size()));
  struct Place {
    std::size_t first = 0;    // position of its first cell in a row
    bool has_claims = false;  // published | ours | difference | verdict, else ours alone
  };
  std::vector<Place> places;
  for (const Values& values : columns) {
    const bool has_claims = std::any_of(chosen.begin(), chosen.end(), [&](const Group* group) {
      return is_in(*group, values) && judgement_of(*group) != nullptr;
    });
    places.push_back({table.columns.size(), has_claims});
    const std::string head = format_values(values);
    if (!has_claims) {
      table.columns.push_back({head.empty() ? "ours" : head, Align::right});
      continue;
    }
    const std::string prefix = head.empty() ? "" : head + ": ";
    table.columns.push_back({prefix + "published", Align::right});
    table.columns.push_back({prefix + "ours", Align::right});
    table.columns.push_back({prefix + "difference", Align::right});
    table.columns.push_back({prefix + "verdict"});
  }

  std::map<std::string, std::size_t> rows;  // what stands in front → position
  const auto row_for = [&](const Values& values) -> Row& {
    const auto [at, is_new] = rows.try_emplace(nlohmann::json(values).dump(), table.rows.size());
    if (is_new) {
      Row row;
      for (const nlohmann::json& value : values) row.cells.emplace_back(format_json(value));
      row.cells.resize(table.columns.size());
      table.rows.push_back(std::move(row));
    }
    return table.rows[at->second];
  };
  for (const Group* group : chosen) {
    const Judgement* judgement = judgement_of(*group);
    const auto cell_in = [&](Row& row, std::size_t c) -> Text& {
      return row.cells[places[c].first + (places[c].has_claims ? 1 : 0)];
    };
    const auto is_free = [&](Row& row) {
      for (std::size_t c = 0; c < columns.size(); ++c) {
        if (is_in(*group, columns[c]) && !cell_in(row, c).spans.empty()) return false;
      }
      return true;
    };
    // A point outside the product has no value on the axes that name the rows, or that of a point
    // inside: it stands under its own name.
    Values values = values_of(*group, row_names);
    Values own_name(row_names.size(), "");
    if (!own_name.empty()) own_name.front() = group->name;
    if (!values.empty() && values.front().is_null()) values = own_name;
    Row& shared = row_for(values);
    Row& row = is_free(shared) ? shared : row_for(own_name);
    for (std::size_t c = 0; c < columns.size(); ++c) {
      if (!is_in(*group, columns[c])) continue;
      cell_in(row, c) = result_cell(*group, layout.metric);
      if (judgement == nullptr) continue;
      Text* cell = &row.cells[places[c].first];
      cell[0] = published(*judgement->claim);
      cell[2] = difference(*judgement);
      cell[3] = std::string(to_string(judgement->verdict));
    }
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

Provenance provenance_of(const ReportInput& input) {
  Provenance found;
  for (const Run& run : input.runs) {
    const store::AttemptRecord* attempt = run.shown();
    if (attempt == nullptr || attempt->status != store::Status::ok) continue;
    flatten("", attempt->fingerprint, found);
    if (!attempt->fingerprint.contains("device") && !attempt->device.empty()) {
      ++found["device"][attempt->device];
    }
  }
  return found;
}

Table provenance_table(const Provenance& provenance) {
  Table table;
  table.columns = {{"what"}, {"value"}, {"trials", Align::right}};
  for (const auto& [name, values] : provenance) {
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
