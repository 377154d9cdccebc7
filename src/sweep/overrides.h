// What the command line changes in a sweep: `key=value`, `key=2,3,4`, `key=4..8:2`, `--without
// KEY`.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/value.h"
#include "sweep/sweep.h"

namespace bitsweep::sweep {

// `key=…` as read: one value pins the key, several make an axis of it.
struct Override {
  std::string key;
  std::vector<config::Value> values;
};

// The right side is a TOML value or a bare string; commas outside brackets and quotation marks
// separate several; `first..last` and `first..last:step` are inclusive ranges. Throws ConfigError,
// for Hydra's spellings with the translation.
Override parse_override(std::string_view argument);

// Applies `assignments` ("key=…") and `without` (keys or axis names) to `sweep`. On an axis a value
// pins it (an axis of variants by their names) and several replace its values; any other key is set
// on every trial, whatever variants and included points say, or becomes the last axis. `seed`
// stands for `[seeds] values`. Throws ConfigError for an unknown key, a key inside `rows`, the same
// key twice.
void apply_overrides(SweepFile& sweep, std::span<const std::string> assignments,
                     std::span<const std::string> without);

}  // namespace bitsweep::sweep
