// The one expression language of bitsweep: `if`, `when`, `where`, `requires` of a sweep file,
// `query` on the command line and the conditions inside the table of keys.
//
//   quant.weight.bits in [2, 4] and not (model.name ~ "resnet*" or top1 < 0.9)
//
// and or not, also && || !; ( ); == != < <= > >=; in (a list); ~ (a glob with * and ?). Literals:
// numbers, 'text' or "text", true, false, null, [lists]. Anything else is a name: letters, digits,
// _ - and dots.
//   - An unset name is null: null == null holds, null != 4 holds, every other comparison with it
//     does not.
//   - Numbers compare as numbers (4 == 4.0); values of different types are unequal and in no order.
//   - As a condition of its own a name must hold true or false (unset counts as false).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/value.h"

namespace bitsweep::config {

class Expression {
 public:
  // Throws ConfigError with `place`, the text and the column in it. Where `known` is not empty, a
  // name outside it is such an error, with the nearest known name.
  static Expression parse(std::string_view text, std::string_view place = {},
                          std::span<const std::string> known = {});

  // The names that occur, each once, in order of appearance.
  const std::vector<std::string>& names() const { return names_; }
  const std::string& text() const { return text_; }

  // `values[i]` is what names()[i] holds; nullptr or monostate: unset. Throws ConfigError where a
  // name used as a condition holds something other than true or false.
  bool evaluate(std::span<const Value* const> values) const;
  bool evaluate(const std::function<Value(std::string_view name)>& lookup) const;

 private:
  friend class ExpressionParser;
  enum class Op : std::uint8_t {
    kAnd,
    kOr,
    kNot,
    kEqual,
    kNotEqual,
    kLess,
    kLessEqual,
    kGreater,
    kGreaterEqual,
    kIn,
    kMatch,
    kName,
    kLiteral
  };
  struct Node {
    Op op;
    int left = -1;   // a node; for kName a position in names_, for kLiteral one in literals_
    int right = -1;  // a node
  };
  bool test(int node, std::span<const Value* const> values) const;
  const Value& operand(int node, std::span<const Value* const> values) const;

  std::string text_;
  std::string place_;
  std::vector<std::string> names_;
  std::vector<Value> literals_;
  std::vector<Node> nodes_;
  int root_ = -1;
};

}  // namespace bitsweep::config
