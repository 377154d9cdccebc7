// What a TOML text must satisfy before a parser that recurses sees it.
#pragma once

#include <string>
#include <string_view>

namespace bitsweep::config {

inline constexpr int kMaxNesting = 32;  // brackets inside each other, or parts of a dotted key

// Throws ConfigError ("file:line:column: …") for a NUL byte, invalid UTF-8, or nesting deeper than
// kMaxNesting.
void check_toml_limits(std::string_view text, const std::string& file);

}  // namespace bitsweep::config
