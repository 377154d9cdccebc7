#include "config/value.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/error.h"

namespace bitsweep::config {
namespace {

template <typename... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <typename... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

std::vector<const Table::value_type*> sorted_items(const Table& table) {
  std::vector<const Table::value_type*> items;
  for (const auto& item : table) items.push_back(&item);
  std::sort(items.begin(), items.end(), [](auto* a, auto* b) { return a->first < b->first; });
  return items;
}

std::string toml_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

}  // namespace

bool operator==(const Value& a, const Value& b) {
  if (a.index() != b.index()) return false;
  return std::visit([&](const auto& left) { return left == *b.as<std::decay_t<decltype(left)>>(); },
                    a);
}

bool is_number(const Value& value) { return value.as<std::int64_t>() || value.as<double>(); }

double to_real(const Value& value) {
  if (const auto* integer = value.as<std::int64_t>()) return static_cast<double>(*integer);
  const auto* real = value.as<double>();
  BITSWEEP_CHECK(real != nullptr, "{} is not a number", format_value(value));
  return *real;
}

std::string format_real(double number) {
  if (std::isnan(number)) return "nan";
  if (std::isinf(number)) return number > 0 ? "inf" : "-inf";
  char buffer[32];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number);
  BITSWEEP_CHECK(error == std::errc(), "a real number needs more than {} characters",
                 sizeof buffer);
  return std::string(buffer, end);
}

std::string format_value(const Value& value) {
  return std::visit(Overloaded{
                        [](std::monostate) { return std::string("unset"); },
                        [](bool flag) { return std::string(flag ? "true" : "false"); },
                        [](std::int64_t number) { return std::to_string(number); },
                        [](double number) { return format_real(number); },
                        [](const std::string& text) { return toml_string(text); },
                        [](const List& list) {
                          std::string out = "[";
                          for (const Value& item : list) {
                            if (out.size() > 1) out += ", ";
                            out += format_value(item);
                          }
                          return out + "]";
                        },
                        [](const Table& table) {
                          std::string out = "{";
                          for (const auto& [key, item] : table) {
                            out += fmt::format("{} {} = {}", out.size() > 1 ? "," : "", key,
                                               format_value(item));
                          }
                          return out + " }";
                        },
                    },
                    value);
}

std::string format_bare(const Value& value) {
  const auto* text = value.as<std::string>();
  return text ? *text : format_value(value);
}

void append_json_string(std::string& out, std::string_view text) {
  const auto is_plain = [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != '"' && c != '\\';
  };
  out += '"';
  while (!text.empty()) {
    const auto run = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_plain) -
                                              text.begin());
    out.append(text.substr(0, run));
    text.remove_prefix(run);
    if (text.empty()) break;
    switch (const char c = text.front()) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    }
    text.remove_prefix(1);
  }
  out += '"';
}

void append_json(std::string& out, const Value& value) {
  std::visit(Overloaded{
                 [&](std::monostate) { out += "null"; },
                 [&](bool flag) { out += flag ? "true" : "false"; },
                 [&](std::int64_t number) { out += std::to_string(number); },
                 [&](double number) { out += format_real(number); },
                 [&](const std::string& text) { append_json_string(out, text); },
                 [&](const List& list) {
                   char before = '[';
                   for (const Value& item : list) {
                     out += before;
                     append_json(out, item);
                     before = ',';
                   }
                   out += list.empty() ? "[]" : "]";
                 },
                 [&](const Table& table) {
                   char before = '{';
                   for (const auto* item : sorted_items(table)) {
                     out += before;
                     append_json_string(out, item->first);
                     out += ':';
                     append_json(out, item->second);
                     before = ',';
                   }
                   out += table.empty() ? "{}" : "}";
                 },
             },
             value);
}

nlohmann::json to_json(const Value& value) {
  return std::visit(Overloaded{
                        [](std::monostate) { return nlohmann::json(nullptr); },
                        [](const List& list) {
                          auto out = nlohmann::json::array();
                          for (const Value& item : list) out.push_back(to_json(item));
                          return out;
                        },
                        [](const Table& table) {
                          auto out = nlohmann::json::object();
                          for (const auto& [key, item] : table) out[key] = to_json(item);
                          return out;
                        },
                        [](const auto& plain) { return nlohmann::json(plain); },
                    },
                    value);
}

Value value_from_json(const nlohmann::json& json) {
  switch (json.type()) {
    case nlohmann::json::value_t::null:
      return {};
    case nlohmann::json::value_t::boolean:
      return json.get<bool>();
    case nlohmann::json::value_t::number_integer:
      return json.get<std::int64_t>();
    case nlohmann::json::value_t::number_unsigned:
      if (json.get<std::uint64_t>() > std::numeric_limits<std::int64_t>::max()) break;
      return json.get<std::int64_t>();
    case nlohmann::json::value_t::number_float:
      return json.get<double>();
    case nlohmann::json::value_t::string:
      return json.get<std::string>();
    case nlohmann::json::value_t::array: {
      List list;
      for (const auto& item : json) list.push_back(value_from_json(item));
      return list;
    }
    case nlohmann::json::value_t::object: {
      Table table;
      for (const auto& [key, item] : json.items()) table.emplace_back(key, value_from_json(item));
      return table;
    }
    default:
      break;
  }
  throw ConfigError(fmt::format("{} is no value that a key can hold", json.dump()));
}

}  // namespace bitsweep::config
