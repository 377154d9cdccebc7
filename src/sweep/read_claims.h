// [[paper]] and [[table]] of a sweep file: what results are held against and how they are laid out.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/toml.h"
#include "sweep/sweep.h"

namespace bitsweep::sweep {

// A condition of the file under `key`. `names`: those that it may use. Throws ConfigError.
Condition read_condition(const config::Entry& entry, std::string_view key,
                         std::span<const std::string> names);

std::vector<Claim> read_claims(const config::Entry& root, std::span<const std::string> names);
std::vector<TableLayout> read_table_layouts(const config::Entry& root,
                                            std::span<const std::string> names);

}  // namespace bitsweep::sweep
