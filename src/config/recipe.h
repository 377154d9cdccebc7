// From TOML tables to settings: flattening, bases, layer rules.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "config/toml.h"

namespace bitsweep::config {

// The assignments that a table of trial keys makes, nested tables and quoted dotted names flattened
// to one spelling. Names in `skip` at the top level of the table are left to the caller. Throws
// ConfigError for what assignment() refuses and for one key said twice (`"a.b"` and `a.b`), with
// both places.
std::vector<Assignment> read_assignments(const Entry& table,
                                         std::span<const std::string_view> skip = {});

// The list under [[layer]]: match, and keys of quant.weight and quant.activation without `quant.`.
std::vector<LayerRule> read_layer_rules(const Entry& list);

// Applies a table of trial keys with its [[layer]] rules. Tables merge into what is there, values
// and lists replace; new layer rules come before those already there.
void read_trial_tables(const Entry& table, Settings& settings,
                       std::span<const std::string_view> skip = {});

// What a file may hold at top level beside trial keys: name, schema, base and the tables that only
// a sweep reads.
std::span<const std::string_view> recipe_file_names();

// A recipe (trial tables at top level) on top of its chain of bases, each relative to the file that
// names it. A sweep cannot be a base. Throws ConfigError; a chain that comes back to itself is
// named, and one longer than 64 files refused.
Settings load_recipe(const std::filesystem::path& path);
// The same for a file already read.
Settings read_recipe(const Document& document);
// Settings that a file's `base` gives; none where it has no base.
Settings load_base(const Document& document);

// Throws ConfigError where `schema` is there and not 1.
void check_schema_version(const Document& document);

}  // namespace bitsweep::config
