#include "sweep/overrides.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "config/schema.h"
#include "config/toml.h"
#include "core/error.h"
#include "core/text.h"
#include "sweep/names.h"

namespace bitsweep::sweep {
namespace {

const char* const kCommandLine = "command line";
constexpr std::int64_t kMaxRange = 100'000;  // values of one range: more is a slip of the finger

// `text` cut at the commas that stand outside brackets and quotation marks.
std::vector<std::string_view> split_values(std::string_view text, std::string_view argument) {
  std::vector<std::string_view> parts;
  std::string open;  // brackets that wait for their end
  char quote = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quote != 0) {
      if (c == '\\' && quote == '"') ++i;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '[' || c == '{' || c == '(') {
      open += c == '[' ? ']' : c == '{' ? '}' : ')';
    } else if (!open.empty() && c == open.back()) {
      open.pop_back();
    } else if (c == ',' && open.empty()) {
      parts.push_back(trim(text.substr(begin, i - begin)));
      begin = i + 1;
    }
  }
  if (quote != 0 || !open.empty()) {
    throw ConfigError(fmt::format("{}: '{}' has no closing {}", kCommandLine, argument,
                                  quote != 0 ? quote : open.back()));
  }
  parts.push_back(trim(text.substr(begin)));
  return parts;
}

template <typename Number>
std::optional<Number> parse_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

void check_range_length(double length, std::string_view text) {
  if (length < 1) {
    throw ConfigError(
        fmt::format("{}: the range '{}' is empty; write first..last or "
                    "first..last:step (both ends included)",
                    kCommandLine, text));
  }
  if (length > static_cast<double>(kMaxRange)) {
    throw ConfigError(fmt::format("{}: the range '{}' has more than {} values", kCommandLine, text,
                                  format_count(kMaxRange)));
  }
}

// The values of "4..8" or "4..8:2"; nothing where `text` is no range.
std::optional<std::vector<config::Value>> parse_range(std::string_view text) {
  const auto dots = text.find("..");
  if (dots == std::string_view::npos) return std::nullopt;
  const std::string_view first_text = text.substr(0, dots);
  std::string_view last_text = text.substr(dots + 2);
  std::string_view step_text = "1";
  if (const auto colon = last_text.find(':'); colon != std::string_view::npos) {
    step_text = last_text.substr(colon + 1);
    last_text = last_text.substr(0, colon);
  }
  std::vector<config::Value> values;
  const auto first = parse_number<std::int64_t>(first_text);
  const auto last = parse_number<std::int64_t>(last_text);
  const auto step = parse_number<std::int64_t>(step_text);
  if (first && last && step) {
    const double length =
        *step == 0 ? 0
                   : std::floor((static_cast<double>(*last) - static_cast<double>(*first)) /
                                static_cast<double>(*step)) +
                         1;
    check_range_length(length, text);
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(length); ++i) {
      values.emplace_back(*first + i * *step);
    }
    return values;
  }
  const auto real_first = parse_number<double>(first_text);
  const auto real_last = parse_number<double>(last_text);
  const auto real_step = parse_number<double>(step_text);
  if (!real_first || !real_last || !real_step) return std::nullopt;
  // Ends that decimal steps reach on paper are reached here: half a millionth of a step of slack.
  const double length =
      *real_step == 0 ? 0 : std::floor((*real_last - *real_first) / *real_step + 5e-7) + 1;
  check_range_length(length, text);
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(length); ++i) {
    // Twelve digits: 0.1 + 2 · 0.1 is meant to be 0.3.
    const std::string digits =
        fmt::format("{:.12g}", *real_first + static_cast<double>(i) * *real_step);
    values.emplace_back(*parse_number<double>(digits));
  }
  return values;
}

// Hydra's sweep functions, which people type from habit, with what they are called here.
void refuse_hydra(std::string_view key, std::string_view value) {
  const auto open = value.find('(');
  if (open == std::string_view::npos || !value.ends_with(')')) return;
  const std::string_view function = value.substr(0, open);
  const std::string_view inside = value.substr(open + 1, value.size() - open - 2);
  std::vector<std::string> arguments;
  for (const std::string& part : split(inside, ',')) arguments.emplace_back(trim(part));
  if (function == "choice") {
    throw ConfigError(fmt::format("{}: '{}' is written {}={} here", kCommandLine, value, key,
                                  join(arguments, ",")));
  }
  if (function == "range") {
    // Hydra leaves the end out: range(4, 9) is 4, 5, …, 8.
    const auto start = arguments.size() > 1 ? parse_number<std::int64_t>(arguments[0]) : 0;
    const auto stop = parse_number<std::int64_t>(arguments[arguments.size() > 1 ? 1 : 0]);
    const auto step = arguments.size() > 2 ? parse_number<std::int64_t>(arguments[2]) : 1;
    std::string translation = "first..last or first..last:step";
    if (start && stop && step && *step != 0) {
      const std::int64_t last = *stop - (*step > 0 ? 1 : -1);
      translation = fmt::format("{}..{}", *start, last);
      if (*step != 1) translation += fmt::format(":{}", *step);
    }
    throw ConfigError(fmt::format("{}: '{}' is written {}={} here (both ends included)",
                                  kCommandLine, value, key, translation));
  }
  if (function == "interval") {
    throw ConfigError(
        fmt::format("{}: '{}' asks for a search, which is not available in this "
                    "version; write the values: {}=first..last:step",
                    kCommandLine, value, key));
  }
  for (const char* other : {"glob", "sort", "shuffle", "tag"}) {
    if (function == other) {
      throw ConfigError(fmt::format("{}: '{}' has no counterpart here; write the values: {}=a,b,c",
                                    kCommandLine, value, key));
    }
  }
}

// `"quant.weight"."bits"` → quant.weight.bits: quoted and dotted spellings are one key.
std::string plain_key(std::string_view text) {
  std::string key;
  for (const char c : trim(text)) {
    if (c != '"' && c != '\'') key += c;
  }
  return key;
}

void refuse_prefix(std::string_view argument) {
  if (argument.starts_with('~')) {
    throw ConfigError(fmt::format("{}: '{}' is written --without {} here", kCommandLine, argument,
                                  argument.substr(1, argument.find('=') - 1)));
  }
  if (argument.starts_with('+')) {
    const auto bare = argument.substr(argument.find_first_not_of('+') == std::string_view::npos
                                          ? argument.size()
                                          : argument.find_first_not_of('+'));
    throw ConfigError(fmt::format("{}: '{}' is written {} here", kCommandLine, argument, bare));
  }
}

// --- applying --------------------------------------------------------------------------------

const std::string& key_name(config::KeyIndex key) { return config::schema()[key].name; }

Axis* find_axis(SweepFile& sweep, std::string_view key) {
  for (Axis& axis : sweep.axes) {
    if (axis.name == key) return &axis;
    if (axis.form == AxisForm::values && key_name(axis.keys.front()) == key) return &axis;
  }
  return nullptr;
}

void refuse_rows_key(const SweepFile& sweep, std::string_view key) {
  for (const Axis& axis : sweep.axes) {
    if (axis.form != AxisForm::rows || axis.name == key) continue;
    std::vector<std::string> partners;
    for (const config::KeyIndex other : axis.keys) {
      if (key_name(other) != key) partners.push_back(key_name(other));
    }
    if (partners.size() == axis.keys.size()) continue;
    throw ConfigError(fmt::format(
        "{}: '{}' moves together with {} in the rows of an axis ({}), so it cannot be changed "
        "alone; change the rows{}",
        kCommandLine, key, join(partners, ", "), axis.place,
        axis.name.empty() ? "" : fmt::format(", or pin or remove the axis '{}'", axis.name)));
  }
}

// Variants and included points have no say in a key that the command line sets.
void silence(SweepFile& sweep, config::KeyIndex key) {
  const auto drop = [&](std::vector<config::Assignment>& set) {
    std::erase_if(set, [&](const config::Assignment& made) { return made.key == key; });
  };
  for (Axis& axis : sweep.axes) {
    if (axis.form != AxisForm::variants) continue;
    for (AxisPoint& point : axis.points) drop(point.set);
    std::erase(axis.keys, key);
  }
  for (Inclusion& inclusion : sweep.inclusions) drop(inclusion.set);
}

// The points of `axis` that `values` name, in the order of `values`.
void pick_points(Axis& axis, const std::vector<config::Value>& values) {
  std::vector<AxisPoint> picked;
  for (const config::Value& value : values) {
    const std::string wanted = name_text(value);
    const auto it = std::find_if(axis.points.begin(), axis.points.end(),
                                 [&](const AxisPoint& p) { return name_text(p.value) == wanted; });
    if (it == axis.points.end()) {
      std::vector<std::string> known;
      for (const AxisPoint& point : axis.points) known.push_back(name_text(point.value));
      throw ConfigError(fmt::format(
          "{}: {} (axis at {})", kCommandLine,
          unknown_name_message(axis.form == AxisForm::rows ? "row" : "variant", wanted, known),
          axis.place));
    }
    picked.push_back(*it);
  }
  axis.points = std::move(picked);
}

std::vector<AxisPoint> points_of(const std::string& key, const std::vector<config::Value>& values) {
  std::vector<AxisPoint> points;
  for (const config::Value& value : values) {
    config::Assignment set = config::assignment(key, value, kCommandLine);
    points.push_back({set.value, {set}});
  }
  return points;
}

void set_seeds(SweepFile& sweep, const std::vector<config::Value>& values) {
  sweep.seeds.clear();
  for (const AxisPoint& point : points_of("seed", values)) {
    sweep.seeds.push_back(std::get<std::int64_t>(point.value));
  }
  if (std::set<std::int64_t>(sweep.seeds.begin(), sweep.seeds.end()).size() != sweep.seeds.size()) {
    throw ConfigError(fmt::format("{}: a seed is given twice", kCommandLine));
  }
}

void apply(SweepFile& sweep, const Override& change) {
  refuse_rows_key(sweep, change.key);
  if (change.key == "seed") return set_seeds(sweep, change.values);
  if (Axis* axis = find_axis(sweep, change.key)) {
    if (axis->form == AxisForm::values) {
      axis->points = points_of(key_name(axis->keys.front()), change.values);
      axis->place = kCommandLine;
    } else {
      pick_points(*axis, change.values);
    }
    return;
  }
  if (change.values.size() == 1 && change.values.front().as<config::Table>() != nullptr &&
      !config::find_key(change.key)) {
    for (const auto& [key, value] : *change.values.front().as<config::Table>()) {
      apply(sweep, {fmt::format("{}.{}", change.key, key), {value}});
    }
    return;
  }
  const config::KeyIndex key = config::require_key(change.key, kCommandLine);
  silence(sweep, key);
  if (change.values.size() == 1) {
    sweep.trial.set(change.key, change.values.front(), kCommandLine);
    return;
  }
  Axis axis;
  axis.keys = {key};
  axis.points = points_of(change.key, change.values);
  axis.place = kCommandLine;
  sweep.axes.push_back(std::move(axis));
}

void remove(SweepFile& sweep, const std::string& key) {
  refuse_rows_key(sweep, key);
  if (key == "seed") {
    sweep.seeds.clear();
    sweep.trial.unset("seed");
    return;
  }
  if (const Axis* axis = find_axis(sweep, key)) {
    sweep.axes.erase(sweep.axes.begin() + (axis - sweep.axes.data()));
    return;
  }
  silence(sweep, config::require_key(key, kCommandLine));
  sweep.trial.unset(key);
}

}  // namespace

Override parse_override(std::string_view argument) {
  refuse_prefix(argument);
  const auto equals = argument.find('=');
  if (equals == std::string_view::npos || trim(argument.substr(0, equals)).empty()) {
    throw ConfigError(fmt::format("{}: '{}' is not of the form key=value", kCommandLine, argument));
  }
  Override out;
  out.key = plain_key(argument.substr(0, equals));
  const std::string_view right = trim(argument.substr(equals + 1));
  refuse_hydra(out.key, right);
  for (const std::string_view part : split_values(right, argument)) {
    if (part.empty()) {
      throw ConfigError(
          fmt::format("{}: '{}' has an empty value; write {}=\"\" for an empty text, "
                      "--without {} to remove the key",
                      kCommandLine, argument, out.key, out.key));
    }
    if (auto range = parse_range(part)) {
      out.values.insert(out.values.end(), range->begin(), range->end());
    } else {
      out.values.push_back(config::parse_toml_value(part));
    }
  }
  return out;
}

void apply_overrides(SweepFile& sweep, std::span<const std::string> assignments,
                     std::span<const std::string> without) {
  std::set<std::string> seen;
  const auto check_once = [&](const std::string& key) {
    if (!seen.insert(key).second) {
      throw ConfigError(fmt::format("{}: '{}' is given twice; write {}=a,b for several values",
                                    kCommandLine, key, key));
    }
  };
  std::vector<Override> changes;
  for (const std::string& argument : assignments) {
    changes.push_back(parse_override(argument));
    check_once(changes.back().key);
  }
  // Removing first: an axis that leaves takes no condition or row with it.
  for (const std::string& key : without) {
    check_once(plain_key(key));
    remove(sweep, plain_key(key));
  }
  for (const Override& change : changes) apply(sweep, change);
}

}  // namespace bitsweep::sweep
