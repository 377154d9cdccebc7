// checked_value and expected of config/schema.h: one value against one row of the table of keys.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "config/schema.h"
#include "config/word.h"
#include "core/error.h"
#include "core/text.h"

namespace bitsweep::config {
namespace {

constexpr std::size_t kMaxListItems = 4096;

std::vector<std::string> all_words(const Key& key) {
  std::vector<std::string> out = key.words;
  out.insert(out.end(), key.later_words.begin(), key.later_words.end());
  return out;
}

std::string range_text(const Key& key, std::string_view what) {
  const bool from = std::isfinite(key.min);
  const bool to = std::isfinite(key.max) && key.max < 1e15;
  if (from && to) {
    return fmt::format("{} from {} to {}", what, format_real(key.min), format_real(key.max));
  }
  if (from) return fmt::format("{} of at least {}", what, format_real(key.min));
  if (to) return fmt::format("{} of at most {}", what, format_real(key.max));
  return std::string(what);
}

std::string quoted_words(const std::vector<std::string>& words) {
  std::vector<std::string> out;
  for (const std::string& word : words) out.push_back(fmt::format("\"{}\"", word));
  return join(out, ", ");
}

[[noreturn]] void refuse(const Key& key, const Value& value, std::string_view place) {
  std::string shown = format_value(value);
  if (shown.size() > 100) shown = shown.substr(0, 100) + "…";
  std::string message =
      fmt::format("{}: {} = {} is not allowed; expected {}", place, key.name, shown, expected(key));
  if (const auto* word = value.as<std::string>()) {
    if (const auto near = nearest_name(*word, all_words(key))) {
      message += fmt::format(" (did you mean \"{}\"?)", *near);
    }
  }
  throw ConfigError(message);
}

bool in_range(const Key& key, double number) { return number >= key.min && number <= key.max; }

std::optional<Value> checked_integer(const Key& key, const Value& value) {
  std::optional<std::int64_t> integer;
  if (const auto* written = value.as<std::int64_t>()) integer = *written;
  if (const auto* real = value.as<double>()) {
    if (std::abs(*real) <= 9007199254740992.0 && *real == std::trunc(*real)) {
      integer = static_cast<std::int64_t>(*real);
    }
  }
  if (!integer) return std::nullopt;
  // A width: 32 bits is what "none" means.
  if (*integer == 32 && is_word("none", key.words)) return Value("none");
  if (!in_range(key, static_cast<double>(*integer))) return std::nullopt;
  return Value(*integer);
}

std::optional<Value> checked_real(const Key& key, const Value& value) {
  if (!is_number(value)) return std::nullopt;
  const double number = to_real(value) + 0.0;  // −0 becomes 0
  if (!std::isfinite(number) || !in_range(key, number)) return std::nullopt;
  return Value(number);
}

// { mean = [r, g, b], std = [r, g, b] }, in this order, as reals.
std::optional<Value> checked_normalize(const Value& value) {
  const auto* table = value.as<Table>();
  if (!table || table->size() != 2) return std::nullopt;
  Table out;
  for (const std::string name : {"mean", "std"}) {
    const auto it = std::find_if(table->begin(), table->end(),
                                 [&](const auto& item) { return item.first == name; });
    const auto* list = it == table->end() ? nullptr : it->second.as<List>();
    if (!list || list->size() != 3) return std::nullopt;
    List channels;
    for (const Value& item : *list) {
      if (!is_number(item) || !std::isfinite(to_real(item))) return std::nullopt;
      if (name == "std" && to_real(item) <= 0) return std::nullopt;
      channels.emplace_back(to_real(item) + 0.0);
    }
    out.emplace_back(name, std::move(channels));
  }
  return out;
}

std::optional<Value> checked_scalar(const Key& key, const Value& value, std::string_view place) {
  const auto* text = value.as<std::string>();
  if (text && is_word(*text, key.words)) return value;
  switch (key.type) {
    case Type::boolean:
      return value.as<bool>() ? std::optional(value) : std::nullopt;
    case Type::integer:
      return checked_integer(key, value);
    case Type::real:
      return checked_real(key, value);
    case Type::word:
      return text && is_word(*text, key.later_words) ? std::optional(value) : std::nullopt;
    case Type::text:
    case Type::name:
    case Type::path:
      return text && !text->empty() && text->find('\0') == std::string::npos ? std::optional(value)
                                                                             : std::nullopt;
    case Type::duration:
      if (!text) return std::nullopt;
      parse_duration_s(*text, fmt::format("{}: {}", place, key.name));
      return value;
    case Type::normalize:
      return checked_normalize(value);
  }
  return std::nullopt;
}

}  // namespace

bool is_word(std::string_view text, const std::vector<std::string>& words) {
  return std::any_of(words.begin(), words.end(), [&](std::string_view word) {
    if (!word.ends_with(":P")) return text == word;
    const std::string_view prefix = word.substr(0, word.size() - 1);
    if (!text.starts_with(prefix)) return false;
    const std::string_view written = text.substr(prefix.size());
    double number = 0;
    const auto [end, error] =
        std::from_chars(written.data(), written.data() + written.size(), number);
    return error == std::errc() && end == written.data() + written.size() && number > 0 &&
           std::isfinite(number);
  });
}

std::string expected(const Key& key) {
  std::string what;
  switch (key.type) {
    case Type::boolean:
      what = "true or false";
      break;
    case Type::integer:
      what = range_text(key, "an integer");
      break;
    case Type::real:
      what = range_text(key, "a number");
      break;
    case Type::word:
      what = "one of " + quoted_words(all_words(key));
      break;
    case Type::text:
      what = "a string";
      break;
    case Type::name:
      what = fmt::format("the name of a {}", key.family);
      break;
    case Type::path:
      what = "a path";
      break;
    case Type::duration:
      what = "a duration such as \"90s\" or \"2h\"";
      break;
    case Type::normalize:
      what = "one of " + quoted_words(key.words) +
             ", or { mean = [three numbers], std = [three numbers above 0] }";
      break;
  }
  if ((key.type == Type::integer || key.type == Type::real) && !key.words.empty()) {
    what += ", or " + quoted_words(key.words);
  }
  if (key.list) what += ", or a list of them";
  return what;
}

Value checked_value(const Key& key, Value value, std::string_view place) {
  if (const auto* list = value.as<List>(); list && key.list) {
    if (list->empty() || list->size() > kMaxListItems) refuse(key, value, place);
    List out;
    for (const Value& item : *list) {
      auto checked = checked_scalar(key, item, place);
      if (!checked) refuse(key, value, place);
      out.push_back(std::move(*checked));
    }
    return out;
  }
  auto checked = checked_scalar(key, value, place);
  if (!checked) refuse(key, value, place);
  return std::move(*checked);
}

}  // namespace bitsweep::config
