// load_sweep of sweep/sweep.h: the file as a whole, its exclusions, included points, seeds, stages.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "config/recipe.h"
#include "config/schema.h"
#include "config/toml.h"
#include "core/error.h"
#include "core/text.h"
#include "sweep/names.h"
#include "sweep/read_axes.h"
#include "sweep/read_claims.h"
#include "sweep/sweep.h"
#include "sweep/table_reader.h"

namespace bitsweep::sweep {
namespace {

// Any of these makes a file a sweep, whose trial keys stand under [trial].
constexpr std::array<std::string_view, 5> kSweepMarks = {"trial", "axis", "seeds", "include",
                                                         "exclude"};

std::string read_name(const config::Document& document) {
  const config::Entry* name = document.root.find("name");
  if (name == nullptr) {
    const std::string stem = document.path.stem().string();
    if (is_plain_name(stem)) return stem;
    throw ConfigError(
        fmt::format("{}: the file has no name, and its own is none ({}); add name = "
                    "\"…\"",
                    document.path.string(), kPlainName));
  }
  const auto* text = name->value() ? name->value()->as<std::string>() : nullptr;
  if (text == nullptr || !is_plain_name(*text)) {
    throw ConfigError(fmt::format("{}: name = {} is not allowed; {}", name->place(),
                                  config::format_value(config::to_value(*name)), kPlainName));
  }
  return *text;
}

std::vector<Exclusion> read_exclusions(const config::Entry& root,
                                       const std::vector<std::string>& names) {
  std::vector<Exclusion> exclusions;
  for (const config::Entry* table : tables_under(root, "exclude")) {
    const TableReader reader(*table, "[[exclude]]", {"if", "reason"});
    const config::Entry* condition = reader.entry("if");
    if (condition == nullptr) reader.refuse("if", "expected the condition of what is left out");
    Exclusion exclusion{read_condition(*condition, "if", names), reader.required_text("reason")};
    exclusions.push_back(std::move(exclusion));
  }
  return exclusions;
}

std::vector<Inclusion> read_inclusions(const config::Entry& root) {
  std::vector<Inclusion> inclusions;
  std::set<std::string> names;
  for (const config::Entry* table : tables_under(root, "include")) {
    const TableReader reader(*table, "[[include]]", {"name", "set"});
    Inclusion inclusion;
    inclusion.place = reader.place();
    inclusion.name = reader.required_text("name");
    if (inclusion.name.find_first_of(",=") != std::string::npos) {
      reader.refuse("name", "expected a name without , and =, which set axes apart");
    }
    if (!names.insert(inclusion.name).second) reader.refuse("name", "another point has this name");
    if (const config::Entry* set = reader.entry("set")) {
      inclusion.set = config::read_assignments(*set);
    }
    for (const config::Assignment& set : inclusion.set) refuse_seed(set.key, *set.place);
    inclusions.push_back(std::move(inclusion));
  }
  return inclusions;
}

std::vector<std::int64_t> read_seeds(const config::Entry& root) {
  const config::Entry* table = root.find("seeds");
  if (table == nullptr) return {};
  const TableReader reader(*table, "[seeds]", {"values"});
  std::vector<std::int64_t> seeds;
  const config::Key& key = config::schema()[config::require_key("seed", reader.place())];
  for (const config::Value& value : reader.required_list("values")) {
    const config::Value seed = config::checked_value(key, value, reader.entry("values")->place());
    seeds.push_back(std::get<std::int64_t>(seed));
  }
  if (std::set<std::int64_t>(seeds.begin(), seeds.end()).size() != seeds.size()) {
    reader.refuse("values", "a seed stands there twice");
  }
  return seeds;
}

std::vector<Stage> read_stages(const config::Document& document) {
  std::vector<Stage> stages;
  std::set<std::string> names;
  for (const config::Entry* table : tables_under(document.root, "stage")) {
    const TableReader reader(*table, "[[stage]]", {"name", "base", "set"});
    Stage stage;
    stage.place = reader.place();
    stage.name = reader.required_text("name");
    if (!is_plain_name(stage.name)) reader.refuse("name", kPlainName);
    if (!names.insert(stage.name).second) reader.refuse("name", "another stage has this name");
    const std::filesystem::path base = document.path.parent_path() / reader.required_text("base");
    if (!std::filesystem::is_regular_file(base)) {
      reader.refuse("base", fmt::format("there is no file {}", base.lexically_normal().string()));
    }
    stage.settings = config::load_recipe(base.lexically_normal());
    if (const config::Entry* set = reader.entry("set")) {
      for (const config::Assignment& assignment : config::read_assignments(*set)) {
        refuse_seed(assignment.key, *assignment.place);
        stage.settings.apply(assignment);
      }
    }
    stages.push_back(std::move(stage));
  }
  return stages;
}

void refuse_search(const config::Entry& root) {
  for (const std::string_view word : {"search", "prune"}) {
    if (const config::Entry* entry = root.find(word)) {
      throw ConfigError(
          fmt::format("{}: [{}] is not available in this version; write the points as "
                      "[[axis]] tables",
                      entry->place(), word));
    }
  }
}

const std::vector<std::string>& sweep_keys() {
  static const std::vector<std::string> keys = {"axis",  "base",  "budget", "exclude", "include",
                                                "layer", "name",  "notes",  "paper",   "schema",
                                                "seeds", "stage", "table",  "trial"};
  return keys;
}

// Refuses whatever is no part of a sweep file, trial keys outside [trial] among it.
void check_sweep_keys(const config::Document& document) {
  const std::vector<std::string>& known = sweep_keys();
  for (const config::EntryItem& item : *document.root.table()) {
    if (std::find(known.begin(), known.end(), item.key) != known.end()) continue;
    const bool is_trial_key =
        std::any_of(config::key_names().begin(), config::key_names().end(), [&](const auto& key) {
          return key == item.key || key.starts_with(fmt::format("{}.", item.key)) ||
                 item.key.starts_with(fmt::format("{}.", key.substr(0, key.find('.'))));
        });
    if (is_trial_key) {
      throw ConfigError(
          fmt::format("{}: '{}' stands under [trial] in a sweep", item.place(), item.key));
    }
    throw ConfigError(
        fmt::format("{}: {}", item.place(), unknown_name_message("table or key", item.key, known)));
  }
}

config::Settings read_trial(const config::Document& document) {
  config::check_schema_version(document);
  config::Settings settings = config::load_base(document);
  if (const config::Entry* trial = document.root.find("trial")) {
    config::read_trial_tables(*trial, settings);
  }
  // [budget] and [[layer]] stand beside [trial].
  std::vector<std::string_view> others;
  for (const config::EntryItem& item : *document.root.table()) {
    if (item.key != "budget" && item.key != "layer") others.push_back(item.key);
  }
  config::read_trial_tables(document.root, settings, others);
  return settings;
}

}  // namespace

SweepFile load_sweep(const std::filesystem::path& path) {
  config::Document document = config::read_toml(path);
  const config::Entry& root = document.root;
  refuse_search(root);
  SweepFile sweep;
  sweep.path = path;
  sweep.name = read_name(document);
  sweep.is_recipe = std::none_of(kSweepMarks.begin(), kSweepMarks.end(),
                                 [&](std::string_view mark) { return root.find(mark) != nullptr; });
  if (sweep.is_recipe) {
    sweep.trial = config::read_recipe(document);
  } else {
    check_sweep_keys(document);
    sweep.trial = read_trial(document);
    sweep.notes = TableReader(root, "a sweep file", sweep_keys()).texts("notes");
  }
  sweep.axes = read_axes(root);
  const std::vector<std::string> names = condition_names(sweep.axes);
  sweep.exclusions = read_exclusions(root, names);
  sweep.inclusions = read_inclusions(root);
  sweep.seeds = read_seeds(root);
  sweep.stages = read_stages(document);
  sweep.claims = read_claims(root, names);
  sweep.tables = read_table_layouts(root, names);
  sweep.text = std::move(document.text);
  return sweep;
}

}  // namespace bitsweep::sweep
