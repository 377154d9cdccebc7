// Tables as the sweep lays them out ([[table]]): rows × columns of one metric, as in the paper.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "core/text.h"
#include "report/axes.h"
#include "report/cells.h"
#include "report/condition.h"
#include "report/format.h"
#include "report/tables.h"

namespace bitsweep::report {
namespace {

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

// A column of the layout: one cell in each row, four where a claim speaks about one of its groups.
struct LayoutColumn {
  Values values;
  std::size_t first = 0;    // position of its first cell in a row
  bool has_claims = false;  // published | ours | difference | verdict, else ours alone
  std::size_t ours() const { return has_claims ? first + 1 : first; }
};

class Layout {
 public:
  Layout(const TableLayout& layout, const std::vector<Group>& groups,
         const std::vector<Judgement>& judgements)
      : layout_(layout), judgements_(judgements), chosen_(matching(layout, groups)) {
    table_.caption = fmt::format("{} – {}", layout.title, metric_heading(layout.metric));
    name_rows(varying_axes(groups));
    make_columns();
    for (const Group* group : chosen_) add(*group);
  }
  Table take() { return std::move(table_); }

 private:
  // Axes that the layout does not name would put several results into one cell: they become rows.
  void name_rows(const std::vector<std::string>& axes) {
    std::vector<std::string> named = layout_.rows;
    named.insert(named.end(), layout_.columns.begin(), layout_.columns.end());
    std::vector<const Group*> inside = chosen_;
    std::erase_if(inside, [&](const Group* group) { return is_outside_product(*group, axes); });
    row_names_ = layout_.rows;
    for (const std::string& axis : undecided_axes(inside, axes, named)) row_names_.push_back(axis);
    for (const std::string& name : row_names_) table_.columns.push_back({name});
  }

  void make_columns() {
    std::vector<Values> distinct_values = distinct(chosen_, layout_.columns);
    const Values unset(layout_.columns.size());
    if (distinct_values.size() > 1) std::erase(distinct_values, unset);
    for (Values& values : distinct_values) {
      LayoutColumn column{std::move(values), table_.columns.size(), false};
      column.has_claims = std::any_of(chosen_.begin(), chosen_.end(), [&](const Group* group) {
        return stands_in(*group, column) && judgement_of(*group) != nullptr;
      });
      const std::string head = format_values(column.values);
      if (column.has_claims) {
        const std::string prefix = head.empty() ? "" : head + ": ";
        table_.columns.push_back({prefix + "published", Align::right});
        table_.columns.push_back({prefix + "ours", Align::right});
        table_.columns.push_back({prefix + "difference", Align::right});
        table_.columns.push_back({prefix + "verdict"});
      } else {
        table_.columns.push_back({head.empty() ? "ours" : head, Align::right});
      }
      columns_.push_back(std::move(column));
    }
  }

  // A group that no column axis speaks about (a point outside the product) stands in every column.
  bool stands_in(const Group& group, const LayoutColumn& column) const {
    const Values values = values_of(group, layout_.columns);
    return values == column.values ||
           std::all_of(values.begin(), values.end(),
                       [](const nlohmann::json& value) { return value.is_null(); });
  }

  const Judgement* judgement_of(const Group& group) const {
    for (const Judgement& judgement : judgements_) {
      if (judgement.group == &group && judgement.claim->metric == layout_.metric) return &judgement;
    }
    return nullptr;
  }

  // Under its values; under its own name where it has none on the first of them, or where another
  // group stands there already.
  Row& row_of(const Group& group) {
    Values own_name(row_names_.size(), "");
    if (!own_name.empty()) own_name.front() = group.name;
    const Values values = values_of(group, row_names_);
    if (!values.empty() && values.front().is_null()) return row_at(own_name);
    Row& row = row_at(values);
    const bool is_free =
        std::all_of(columns_.begin(), columns_.end(), [&](const LayoutColumn& column) {
          return !stands_in(group, column) || row.cells[column.ours()].spans.empty();
        });
    return is_free ? row : row_at(own_name);
  }

  Row& row_at(const Values& values) {
    const auto [at, is_new] =
        positions_.try_emplace(nlohmann::json(values).dump(), table_.rows.size());
    if (is_new) {
      Row row;
      for (const nlohmann::json& value : values) row.cells.emplace_back(format_json(value));
      row.cells.resize(table_.columns.size());
      table_.rows.push_back(std::move(row));
    }
    return table_.rows[at->second];
  }

  void add(const Group& group) {
    Row& row = row_of(group);
    const Judgement* judgement = judgement_of(group);
    for (const LayoutColumn& column : columns_) {
      if (!stands_in(group, column)) continue;
      row.cells[column.ours()] = result_cell(group, layout_.metric);
      if (judgement == nullptr) continue;
      row.cells[column.first] = published_text(*judgement->claim);
      row.cells[column.first + 2] = difference_text(*judgement);
      row.cells[column.first + 3] = std::string(to_string(judgement->verdict));
    }
  }

  const TableLayout& layout_;
  const std::vector<Judgement>& judgements_;
  std::vector<const Group*> chosen_;
  std::vector<std::string> row_names_;
  std::vector<LayoutColumn> columns_;
  std::map<std::string, std::size_t> positions_;  // what stands in front of a row → its position
  Table table_;
};

}  // namespace

Table layout_table(const TableLayout& layout, const std::vector<Group>& groups,
                   const std::vector<Judgement>& judgements) {
  return Layout(layout, groups, judgements).take();
}

}  // namespace bitsweep::report
