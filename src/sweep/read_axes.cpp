#include "sweep/read_axes.h"

#include <fmt/format.h>

#include <cctype>
#include <set>

#include "config/recipe.h"
#include "config/schema.h"
#include "core/error.h"
#include "core/text.h"
#include "sweep/names.h"
#include "sweep/read_claims.h"
#include "sweep/table_reader.h"

namespace bitsweep::sweep {
namespace {

void add_key(Axis& axis, config::KeyIndex key) {
  if (!axis.sets(key)) axis.keys.push_back(key);
}

void read_values(const TableReader& reader, Axis& axis) {
  axis.form = AxisForm::values;
  const std::string name = reader.required_text("key");
  const config::Place place = reader.entry("key")->place();
  const config::KeyIndex key = config::require_key(name, place);
  refuse_seed(key, place);
  axis.keys = {key};
  const config::Place values_place =
      reader.entry("values") ? reader.entry("values")->place() : place;
  for (const config::Value& value : reader.required_list("values")) {
    config::Assignment set = config::assignment(name, value, values_place,
                                                std::filesystem::path(reader.file()).parent_path());
    axis.points.push_back({set.value, {set}});
  }
}

void read_rows(const TableReader& reader, Axis& axis) {
  axis.form = AxisForm::rows;
  const std::filesystem::path folder = std::filesystem::path(reader.file()).parent_path();
  std::vector<std::string> names;
  for (const config::Value& element : reader.required_list("keys")) {
    const auto* name = element.as<std::string>();
    if (name == nullptr) reader.refuse("keys", "expected a list of configuration keys");
    const config::KeyIndex key = config::require_key(*name, reader.entry("keys")->place());
    refuse_seed(key, reader.entry("keys")->place());
    if (axis.sets(key)) reader.refuse("keys", fmt::format("'{}' stands there twice", *name));
    axis.keys.push_back(key);
    names.push_back(*name);
  }
  for (const config::Value& element : reader.required_list("rows")) {
    const auto* row = element.as<config::List>();
    if (row == nullptr || row->size() != names.size()) {
      reader.refuse(
          "rows", fmt::format("the row {} has {} values; expected {}, one for each key",
                              config::format_value(element), row ? row->size() : 1, names.size()));
    }
    AxisPoint point;
    std::vector<std::string> shown;
    for (std::size_t i = 0; i < names.size(); ++i) {
      point.set.push_back(
          config::assignment(names[i], (*row)[i], reader.entry("rows")->place(), folder));
      shown.push_back(name_text(point.set.back().value));
    }
    point.value = join(shown, ":");
    axis.points.push_back(std::move(point));
  }
}

void read_variants(const TableReader& reader, const config::Entry& table, Axis& axis) {
  axis.form = AxisForm::variants;
  if (axis.name.empty()) reader.refuse("name", "an axis of variants needs a name");
  std::set<std::string> names;
  for (const config::Entry* entry : tables_under(table, "variant")) {
    const TableReader variant(*entry, "[[axis.variant]]", {"name", "set"});
    AxisPoint point;
    const std::string name = variant.required_text("name");
    if (!names.insert(name).second) variant.refuse("name", "another variant has this name");
    point.value = name;
    if (const config::Entry* set = variant.entry("set")) {
      point.set = config::read_assignments(*set);
    }
    for (const config::Assignment& assignment : point.set) {
      refuse_seed(assignment.key, *assignment.place);
      add_key(axis, assignment.key);
    }
    axis.points.push_back(std::move(point));
  }
  if (axis.points.empty()) reader.refuse("variant", "expected at least one [[axis.variant]]");
}

Axis read_axis(const config::Entry& table) {
  const TableReader reader(table, "[[axis]]",
                           {"name", "key", "values", "keys", "rows", "variant", "when"});
  Axis axis;
  axis.place = reader.place();
  axis.name = reader.text("name").value_or("");
  const bool has_key = reader.entry("key") != nullptr;
  const bool has_keys = reader.entry("keys") != nullptr;
  const bool has_variants = reader.entry("variant") != nullptr;
  if (has_key + has_keys + has_variants != 1) {
    throw ConfigError(fmt::format(
        "{}: an [[axis]] has one of key (with values), keys (with rows), [[axis.variant]] tables; "
        "found {}",
        axis.place, has_key + has_keys + has_variants == 0 ? "none" : "several"));
  }
  if (has_key) {
    read_values(reader, axis);
  } else if (has_keys) {
    read_rows(reader, axis);
  } else {
    read_variants(reader, table, axis);
  }
  return axis;
}

void check_axis_name(const Axis& axis) {
  if (axis.name.empty()) return;
  if (!is_plain_name(axis.name) || std::isdigit(static_cast<unsigned char>(axis.name.front()))) {
    throw ConfigError(
        fmt::format("{}: an axis cannot be called '{}'; expected letters, digits and "
                    ". _ -, the first a letter",
                    axis.place, axis.name));
  }
  const auto key = config::find_key(axis.name);
  const bool is_own_key = axis.form == AxisForm::values && key && axis.sets(*key);
  if (is_reserved(axis.name) || (key && !is_own_key)) {
    throw ConfigError(fmt::format(
        "{}: an axis cannot be called '{}': every result has that already", axis.place, axis.name));
  }
}

}  // namespace

void refuse_seed(config::KeyIndex key, const config::Place& place) {
  if (config::schema()[key].name == "seed") {
    throw ConfigError(
        fmt::format("{}: seeds are no axis (they are averaged over); write [seeds] "
                    "values = […]",
                    place));
  }
}

std::vector<Axis> read_axes(const config::Entry& root) {
  std::vector<Axis> axes;
  const std::vector<const config::Entry*> tables = tables_under(root, "axis");
  for (const config::Entry* table : tables) {
    Axis axis = read_axis(*table);
    check_axis_name(axis);
    for (const Axis& other : axes) {
      if (!axis.name.empty() && other.name == axis.name) {
        throw ConfigError(fmt::format("{}: two axes are called '{}', also at {}", axis.place,
                                      axis.name, other.place));
      }
      for (const config::KeyIndex key : axis.keys) {
        if (!other.sets(key)) continue;
        throw ConfigError(fmt::format("{}: two axes set {}, also {} at {}", axis.place,
                                      config::schema()[key].name, title(other), other.place));
      }
    }
    axes.push_back(std::move(axis));
  }
  const std::vector<std::string> names = condition_names(axes);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (const config::Entry* when = tables[i]->find("when")) {
      axes[i].when = read_condition(*when, "when", names);
    }
  }
  return axes;
}

}  // namespace bitsweep::sweep
