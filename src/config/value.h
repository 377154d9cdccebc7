// A configuration value: what a TOML file, a command line or a stored trial can say about one key.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bitsweep::config {

struct Value;
using List = std::vector<Value>;
using Table = std::vector<std::pair<std::string, Value>>;  // in file order

// std::monostate: unset. Integers and reals stay apart as written; a key of real type stores a
// double whatever the spelling, so that `1` and `1.0` are one value (config/schema.h).
struct Value : std::variant<std::monostate, bool, std::int64_t, double, std::string, List, Table> {
  using variant::variant;

  bool is_set() const { return index() != 0; }
  // The alternative, or nullptr where the value is of another type.
  template <typename T>
  const T* as() const {
    return std::get_if<T>(this);
  }
};

// Same type and same content; a table is compared in its order.
bool operator==(const Value& a, const Value& b);

// The value of a boolean, integer or real as a real number; nothing else has one.
bool is_number(const Value& value);
double to_real(const Value& value);

// The shortest text that reads back as the same number: 0.1 → "0.1", 4.0 → "4".
std::string format_real(double number);

// As TOML would spell it, for messages and labels: 4, "four", [8, "none"], { mean = [0, 0, 0] }.
std::string format_value(const Value& value);
// As a person would: strings without quotation marks.
std::string format_bare(const Value& value);

// JSON in its canonical form, appended: no white space, numbers as format_real, strings escaped
// only where JSON requires it, tables sorted by key. Unset is null.
void append_json(std::string& out, const Value& value);
void append_json_string(std::string& out, std::string_view text);

nlohmann::json to_json(const Value& value);
// null → unset. Throws ConfigError for a number that no key can hold.
Value value_from_json(const nlohmann::json& json);

}  // namespace bitsweep::config
