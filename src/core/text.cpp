#include "core/text.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <ctime>

#include "core/error.h"

namespace bitsweep {
namespace {

// Optimal string alignment: insert, delete, replace, swap of neighbours.
int edit_distance(std::string_view a, std::string_view b) {
  const std::size_t m = a.size();
  const std::size_t n = b.size();
  std::vector<std::vector<int>> d(m + 1, std::vector<int>(n + 1));
  for (std::size_t i = 0; i <= m; ++i) d[i][0] = static_cast<int>(i);
  for (std::size_t j = 0; j <= n; ++j) d[0][j] = static_cast<int>(j);
  for (std::size_t i = 1; i <= m; ++i) {
    for (std::size_t j = 1; j <= n; ++j) {
      const int cost = a[i - 1] == b[j - 1] ? 0 : 1;
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[m][n];
}

}  // namespace

std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string> known) {
  const std::string* best = nullptr;
  int best_distance = 0;
  for (const std::string& candidate : known) {
    const int distance = edit_distance(name, candidate);
    if (best == nullptr || distance < best_distance) {
      best = &candidate;
      best_distance = distance;
    }
  }
  if (best == nullptr) return std::nullopt;
  const auto longest = std::max(name.size(), best->size());
  const int allowed = std::max(1, static_cast<int>(longest) / 3);
  if (best_distance > allowed || longest <= static_cast<std::size_t>(best_distance)) {
    return std::nullopt;
  }
  return *best;
}

std::string unknown_name_message(std::string_view what, std::string_view name,
                                 std::span<const std::string> known) {
  std::string message = fmt::format("unknown {} '{}'", what, name);
  if (!known.empty()) message += fmt::format("; known: {}", join(known, ", "));
  if (const auto near = nearest_name(name, known)) {
    message += fmt::format(" (did you mean '{}'?)", *near);
  }
  return message;
}

std::string join(std::span<const std::string> parts, std::string_view separator) {
  std::string out;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.emplace_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::string_view trim(std::string_view text) {
  const auto is_space = [](char c) { return std::isspace(static_cast<unsigned char>(c)) != 0; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

namespace {

struct NumberAndUnit {
  double number;
  std::string_view unit;
  std::string_view rest;
};

// Splits "1h30m" into (1, "h", "30m").
std::optional<NumberAndUnit> read_number_and_unit(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !std::isfinite(number) || number < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  std::size_t letters = 0;
  while (letters < text.size() && std::isalpha(static_cast<unsigned char>(text[letters]))) ++letters;
  return NumberAndUnit{number, text.substr(0, letters), text.substr(letters)};
}

}  // namespace

double parse_duration_s(std::string_view text, std::string_view what) {
  double total = 0;
  std::string_view rest = trim(text);
  bool any = false;
  while (!rest.empty()) {
    const auto part = read_number_and_unit(rest);
    double factor = 0;
    if (part) {
      if (part->unit == "ms") factor = 1e-3;
      if (part->unit == "s") factor = 1;
      if (part->unit == "m" || part->unit == "min") factor = 60;
      if (part->unit == "h") factor = 3600;
      if (part->unit == "d") factor = 86400;
    }
    if (factor == 0) { any = false; break; }
    total += part->number * factor;
    rest = trim(part->rest);
    any = true;
  }
  if (!any) {
    throw ConfigError(
        fmt::format("{}: '{}' is no duration; expected for example \"90s\", \"30m\", \"2h\"", what, text));
  }
  return total;
}

std::string format_duration(double seconds) {
  if (seconds < 0) seconds = 0;
  if (seconds < 1) return fmt::format("{:.2f}s", seconds);
  if (seconds < 10) return fmt::format("{:.1f}s", seconds);
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  if (whole < 86400 * 2) return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
  return fmt::format("{}d{:02}h", whole / 86400, whole % 86400 / 3600);
}

std::uint64_t parse_bytes(std::string_view text, std::string_view what) {
  const auto part = read_number_and_unit(trim(text));
  double factor = 0;
  if (part && part->rest.empty()) {
    if (part->unit.empty() || part->unit == "B") factor = 1;
    if (part->unit == "KiB") factor = 1024.0;
    if (part->unit == "MiB") factor = 1024.0 * 1024;
    if (part->unit == "GiB") factor = 1024.0 * 1024 * 1024;
    if (part->unit == "kB") factor = 1e3;
    if (part->unit == "MB") factor = 1e6;
    if (part->unit == "GB") factor = 1e9;
  }
  if (factor == 0 || part->number * factor > 9e18) {
    throw ConfigError(
        fmt::format("{}: '{}' is no size; expected for example \"512MiB\", \"4GiB\"", what, text));
  }
  return static_cast<std::uint64_t>(part->number * factor);
}

std::string format_bytes(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  int unit = 0;
  while (value >= 1024 && unit < 4) {
    value /= 1024;
    ++unit;
  }
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.2f} {}", value, kUnits[unit]);
}

std::string format_count(std::int64_t count) {
  std::string digits = std::to_string(count);
  const std::size_t first = count < 0 ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

std::string format_utc(std::int64_t seconds_since_epoch) {
  const auto time = static_cast<std::time_t>(seconds_since_epoch);
  std::tm parts{};
  gmtime_r(&time, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

bool glob_match(std::string_view pattern, std::string_view text) {
  // Iterative with one backtrack point: linear in practice, never exponential.
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t retry = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t]) && pattern[p] != '*') {
      ++p;
      ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      retry = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++retry;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace bitsweep
