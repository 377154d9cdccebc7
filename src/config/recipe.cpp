#include "config/recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.h"
#include "core/text.h"

namespace bitsweep::config {
namespace {

constexpr std::size_t kMaxBases = 64;
constexpr std::int64_t kSchemaVersion = 1;

std::filesystem::path folder_of(const std::string& file) {
  return std::filesystem::path(file).parent_path();
}

// Collects assignments under dotted names, whatever mixture of tables and quoted names spells them.
class Flattener {
 public:
  void add_table(const std::string& prefix, const EntryTable& table,
                 std::span<const std::string_view> skip) {
    for (const EntryItem& item : table) {
      if (std::find(skip.begin(), skip.end(), item.key) != skip.end()) continue;
      const std::string name = prefix.empty() ? item.key : prefix + "." + item.key;
      const auto key = find_key(name);
      const bool is_value = !item.entry.table() || (key && schema()[*key].type == Type::normalize);
      if (is_value) {
        add_value(name, item);
      } else {
        add_table(name, *item.entry.table(), {});
      }
    }
  }

  std::vector<Assignment> take() { return std::move(assignments_); }

 private:
  void add_value(const std::string& name, const EntryItem& item) {
    require_key(name, item.place());
    Assignment made =
        assignment(name, to_value(item.entry), item.entry.place(), folder_of(*item.entry.file));
    const auto twice = std::find_if(assignments_.begin(), assignments_.end(),
                                    [&](const Assignment& a) { return a.key == made.key; });
    if (twice != assignments_.end()) {
      throw ConfigError(
          fmt::format("{}: {} is given twice, also at {}", item.place(), name, *twice->place));
    }
    assignments_.push_back(std::move(made));
  }

  std::vector<Assignment> assignments_;
};

constexpr std::array<std::string_view, 7> kRecipeNames = {"schema", "name",  "base", "layer",
                                                          "paper",  "table", "stage"};
constexpr std::array<std::string_view, 6> kSweepNames = {"trial",   "axis",    "seeds",
                                                         "include", "exclude", "search"};

// A base chain as it is walked: canonical paths, for the cycle, and names as written.
using Chain = std::vector<std::filesystem::path>;

Settings resolve(const Document& document, Chain& chain);

Settings resolve_base(const Document& document, Chain& chain) {
  const Entry* base = document.root.find("base");
  if (base == nullptr) return {};
  const auto* name = base->value() ? base->value()->as<std::string>() : nullptr;
  if (name == nullptr || name->empty()) {
    throw ConfigError(fmt::format("{}: base = {} is not allowed; expected the path of a recipe",
                                  base->place(), format_value(to_value(*base))));
  }
  const std::filesystem::path path = document.path.parent_path() / *name;
  std::error_code error;
  const std::filesystem::path canonical = std::filesystem::weakly_canonical(path, error);
  if (error || !std::filesystem::is_regular_file(path, error)) {
    throw ConfigError(fmt::format("{}: base = \"{}\": there is no file {}", base->place(), *name,
                                  path.lexically_normal().string()));
  }
  const auto cycle = std::find(chain.begin(), chain.end(), canonical);
  if (cycle != chain.end()) {
    std::vector<std::string> names;
    for (auto it = cycle; it != chain.end(); ++it) names.push_back(it->filename().string());
    names.push_back(canonical.filename().string());
    throw ConfigError(fmt::format("{}: base = \"{}\" comes back to itself: {}", base->place(),
                                  *name, join(names, " → ")));
  }
  if (chain.size() > kMaxBases) {
    throw ConfigError(fmt::format("{}: a chain of more than {} bases", base->place(), kMaxBases));
  }
  const Document parent = read_toml(path.lexically_normal());
  for (const std::string_view word : kSweepNames) {
    if (const Entry* entry = parent.root.find(word)) {
      throw ConfigError(fmt::format("{}: a base must be a recipe, and '{}' makes this a sweep",
                                    entry->place(), word));
    }
  }
  chain.push_back(canonical);
  return resolve(parent, chain);
}

Settings resolve(const Document& document, Chain& chain) {
  check_schema_version(document);
  Settings settings = resolve_base(document, chain);
  // `layer` is read, everything else that is no trial key belongs to the sweep room.
  std::vector<std::string_view> skip(kRecipeNames.begin(), kRecipeNames.end());
  std::erase(skip, "layer");
  read_trial_tables(document.root, settings, skip);
  return settings;
}

Chain chain_from(const Document& document) {
  std::error_code error;
  auto canonical = std::filesystem::weakly_canonical(document.path, error);
  return {error ? document.path : canonical};
}

}  // namespace

std::vector<Assignment> read_assignments(const Entry& table,
                                         std::span<const std::string_view> skip) {
  const EntryTable* items = table.table();
  if (items == nullptr) {
    throw ConfigError(fmt::format("{}: expected a table of settings, found {}", table.place(),
                                  format_value(to_value(table))));
  }
  Flattener flattener;
  flattener.add_table("", *items, skip);
  return flattener.take();
}

std::vector<LayerRule> read_layer_rules(const Entry& list) {
  const EntryList* tables = list.list();
  if (tables == nullptr) {
    throw ConfigError(
        fmt::format("{}: layer is written as [[layer]] tables with match and "
                    "overrides such as weight.bits",
                    list.place()));
  }
  std::vector<LayerRule> rules;
  for (const Entry& table : *tables) {
    const Entry* match = table.find("match");
    const auto* pattern = match && match->value() ? match->value()->as<std::string>() : nullptr;
    if (pattern == nullptr) {
      throw ConfigError(
          fmt::format("{}: a [[layer]] needs match, a regular expression over layer "
                      "names",
                      match ? match->place() : table.place()));
    }
    // The same tables as under [trial], without `quant.`.
    Flattener flattener;
    constexpr std::array<std::string_view, 1> kMatch = {"match"};
    flattener.add_table("quant", *table.table(), kMatch);
    rules.push_back(layer_rule(*pattern, flattener.take(), match->place()));
  }
  return rules;
}

void read_trial_tables(const Entry& table, Settings& settings,
                       std::span<const std::string_view> skip) {
  std::vector<std::string_view> others(skip.begin(), skip.end());
  const bool reads_layers = std::find(skip.begin(), skip.end(), "layer") == skip.end();
  if (reads_layers) others.push_back("layer");
  for (const Assignment& made : read_assignments(table, others)) settings.apply(made);
  if (const Entry* layer = table.find("layer"); layer && reads_layers) {
    std::vector<LayerRule> rules = read_layer_rules(*layer);
    settings.layers.insert(settings.layers.begin(), std::make_move_iterator(rules.begin()),
                           std::make_move_iterator(rules.end()));
  }
}

std::span<const std::string_view> recipe_file_names() { return kRecipeNames; }

Settings load_recipe(const std::filesystem::path& path) { return read_recipe(read_toml(path)); }

Settings read_recipe(const Document& document) {
  Chain chain = chain_from(document);
  return resolve(document, chain);
}

Settings load_base(const Document& document) {
  Chain chain = chain_from(document);
  return resolve_base(document, chain);
}

void check_schema_version(const Document& document) {
  const Entry* schema = document.root.find("schema");
  if (schema == nullptr) return;
  const Value value = to_value(*schema);
  if (value == Value(kSchemaVersion)) return;
  throw ConfigError(fmt::format("{}: schema = {} is not allowed; this version reads schema {}",
                                schema->place(), format_value(value), kSchemaVersion));
}

}  // namespace bitsweep::config
