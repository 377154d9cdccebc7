// Words for people: nearest valid name, lists, durations, sizes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace bitsweep {

// The known name nearest to `name` by edit distance (with transpositions), or nothing where none is
// near enough to be what was meant (more than a third of the letters differ).
std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> known);

// "unknown clipping 'laplce'; known: laplace, none (did you mean 'laplace'?)"
std::string unknown_name_message(std::string_view what, std::string_view name,
                                 std::span<const std::string> known);

std::string join(std::span<const std::string> parts, std::string_view separator);
std::vector<std::string> split(std::string_view text, char separator);
std::string_view trim(std::string_view text);

// "2h", "90s", "1h30m", "250ms" → seconds. Throws ConfigError naming `what`.
double parse_duration_s(std::string_view text, std::string_view what);
// 11527.0 → "3h12m", 42.1 → "42s", 0.35 → "0.35s".
std::string format_duration(double seconds);

// "4GiB", "512MiB", "1000" → bytes. Throws ConfigError naming `what`.
std::uint64_t parse_bytes(std::string_view text, std::string_view what);
std::string format_bytes(std::uint64_t bytes);  // 1,081,344 → "1.03 MiB"
std::string format_count(std::int64_t count);   // 41214656 → "41,214,656"

// Seconds since the epoch as UTC "2026-11-21T12:30:00Z".
std::string format_utc(std::int64_t seconds_since_epoch);

// Whether `text` matches `pattern` with * and ? (the `~` of the expression language).
bool glob_match(std::string_view pattern, std::string_view text);

}  // namespace bitsweep
