#include "config/expression.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "core/check.h"
#include "core/error.h"
#include "core/text.h"

namespace bitsweep::config {
namespace {

constexpr std::size_t kMaxLength = 16 << 10;  // characters
constexpr int kMaxDepth = 64;                 // parentheses, `not` and lists inside each other

bool starts_name(char c) { return std::isalpha(static_cast<unsigned char>(c)) || c == '_'; }
bool continues_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '-';
}

std::string at_place(std::string_view place, std::string_view message) {
  return place.empty() ? std::string(message) : fmt::format("{}: {}", place, message);
}

}  // namespace

// Recursive descent: or ← and ← not ← comparison ← operand. A chain of `and` is a loop, so that
// only nesting costs stack.
class ExpressionParser {
 public:
  ExpressionParser(Expression& out, std::span<const std::string> known)
      : out_(out), text_(out.text_), known_(known) {}

  void run() {
    if (text_.size() > kMaxLength) {
      fail(0, fmt::format("an expression of {} characters; at most {} are read", text_.size(),
                          kMaxLength));
    }
    out_.root_ = parse_or();
    skip_space();
    if (at_ < text_.size()) fail(at_, unexpected("the end"));
  }

 private:
  using Op = Expression::Op;

  struct Nesting {
    explicit Nesting(ExpressionParser& parser) : depth(parser.depth_) {
      if (++depth > kMaxDepth) {
        parser.fail(parser.at_, fmt::format("nested deeper than {} levels", kMaxDepth));
      }
    }
    ~Nesting() { --depth; }
    int& depth;
  };

  int parse_or() {
    int left = parse_and();
    while (take_word("or") || take("||")) left = add({Op::kOr, left, parse_and()});
    return left;
  }

  int parse_and() {
    int left = parse_not();
    while (take_word("and") || take("&&")) left = add({Op::kAnd, left, parse_not()});
    return left;
  }

  int parse_not() {
    if (take_word("not") || (!peek("!=") && take("!"))) {
      const Nesting nesting(*this);
      return add({Op::kNot, parse_not(), -1});
    }
    return parse_comparison();
  }

  int parse_comparison() {
    skip_space();
    if (take("(")) {
      const Nesting nesting(*this);
      const int inside = parse_or();
      if (!take(")")) fail(at_, unexpected("')'"));
      return inside;
    }
    const std::size_t start = at_;
    const int left = parse_operand();
    const auto op = take_comparison();
    if (!op) {
      const Expression::Node& node = out_.nodes_[static_cast<std::size_t>(left)];
      if (node.op == Op::kLiteral && !literal(left).as<bool>()) {
        fail(start, fmt::format("{} is not a condition", format_value(literal(left))));
      }
      return left;
    }
    skip_space();
    const std::size_t right_start = at_;
    const int right = parse_operand();
    check_right_side(*op, right, right_start);
    const std::size_t after = at_;
    if (take_comparison()) fail(after, "comparisons do not chain; join them with 'and'");
    return add({*op, left, right});
  }

  void check_right_side(Op op, int right, std::size_t start) {
    if (out_.nodes_[static_cast<std::size_t>(right)].op != Op::kLiteral) return;
    if (op == Op::kIn && !literal(right).as<List>()) {
      fail(start, "'in' takes a list on its right, as in: x in [2, 4]");
    }
    if (op == Op::kMatch && !literal(right).as<std::string>()) {
      fail(start, "'~' takes a glob on its right, as in: name ~ \"resnet*\"");
    }
  }

  std::optional<Op> take_comparison() {
    skip_space();
    if (take("==")) return Op::kEqual;
    if (take("!=")) return Op::kNotEqual;
    if (take("<=")) return Op::kLessEqual;
    if (take(">=")) return Op::kGreaterEqual;
    if (take("<")) return Op::kLess;
    if (take(">")) return Op::kGreater;
    if (take("~")) return Op::kMatch;
    if (take_word("in")) return Op::kIn;
    if (peek("=")) fail(at_, "'=' sets a value; a comparison is '=='");
    return std::nullopt;
  }

  int parse_operand() {
    skip_space();
    if (at_ >= text_.size()) fail(at_, unexpected("a name or a value"));
    if (starts_name(text_[at_])) {
      const std::size_t start = at_;
      const std::string word = read_name();
      if (const auto value = constant(word)) return add_literal(*value);
      if (word == "and" || word == "or" || word == "not" || word == "in") {
        fail(start, fmt::format("expected a name or a value, found '{}'", word));
      }
      return add({Op::kName, name_position(word, start), -1});
    }
    return add_literal(parse_value());
  }

  static std::optional<Value> constant(std::string_view word) {
    if (word == "true") return Value(true);
    if (word == "false") return Value(false);
    if (word == "null") return Value();
    return std::nullopt;
  }

  Value parse_value() {
    skip_space();
    if (at_ >= text_.size()) fail(at_, unexpected("a value"));
    const char c = text_[at_];
    if (c == '"' || c == '\'') return parse_string(c);
    if (c == '[') return parse_list();
    if (std::isdigit(static_cast<unsigned char>(c)) || c == '-' || c == '+' || c == '.') {
      return parse_number();
    }
    const std::size_t start = at_;
    if (starts_name(c)) {
      const std::string word = read_name();
      if (const auto value = constant(word)) return *value;
      fail(start, fmt::format("a list holds values; is '{}' a string without its quotes?", word));
    }
    fail(at_, unexpected("a name or a value"));
  }

  Value parse_string(char quote) {
    const std::size_t start = at_++;
    std::string out;
    while (at_ < text_.size() && text_[at_] != quote) {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      out += text_[at_++];
    }
    if (at_ >= text_.size()) fail(start, "a string without its closing quote");
    ++at_;
    return out;
  }

  Value parse_list() {
    const Nesting nesting(*this);
    ++at_;
    List list;
    while (!take("]")) {
      if (!list.empty() && !take(",")) fail(at_, unexpected("',' or ']'"));
      if (!list.empty() && take("]")) break;
      list.push_back(parse_value());
    }
    return list;
  }

  Value parse_number() {
    const std::size_t start = at_;
    if (text_[at_] == '+') ++at_;
    const char* const begin = text_.data() + at_;
    const char* const end = text_.data() + text_.size();
    std::int64_t integer = 0;
    double real = 0;
    const auto as_integer = std::from_chars(begin, end, integer);
    const auto as_real = std::from_chars(begin, end, real);
    const bool is_integer = as_integer.ec == std::errc() && as_integer.ptr == as_real.ptr;
    if (!is_integer && as_real.ec != std::errc()) fail(start, "a number that cannot be read");
    at_ = static_cast<std::size_t>(as_real.ptr - text_.data());
    if (at_ < text_.size() && continues_name(text_[at_])) {
      fail(start, "a number that cannot be read");
    }
    return is_integer ? Value(integer) : Value(real);
  }

  std::string read_name() {
    const std::size_t start = at_;
    while (at_ < text_.size() && continues_name(text_[at_])) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  int name_position(const std::string& name, std::size_t start) {
    if (!known_.empty() && std::find(known_.begin(), known_.end(), name) == known_.end()) {
      const auto near = nearest_name(name, known_);
      fail(start,
           near ? fmt::format("unknown name '{}' (did you mean '{}'?)", name, *near)
                : fmt::format("unknown name '{}' (is it a string without its quotes?)", name));
    }
    const auto it = std::find(out_.names_.begin(), out_.names_.end(), name);
    if (it != out_.names_.end()) return static_cast<int>(it - out_.names_.begin());
    out_.names_.push_back(name);
    return static_cast<int>(out_.names_.size()) - 1;
  }

  int add(Expression::Node node) {
    out_.nodes_.push_back(node);
    return static_cast<int>(out_.nodes_.size()) - 1;
  }

  int add_literal(Value value) {
    out_.literals_.push_back(std::move(value));
    return add({Op::kLiteral, static_cast<int>(out_.literals_.size()) - 1, -1});
  }

  const Value& literal(int node) const {
    return out_
        .literals_[static_cast<std::size_t>(out_.nodes_[static_cast<std::size_t>(node)].left)];
  }

  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }

  bool peek(std::string_view symbol) {
    skip_space();
    return text_.substr(at_).starts_with(symbol);
  }

  bool take(std::string_view symbol) {
    if (!peek(symbol)) return false;
    at_ += symbol.size();
    return true;
  }

  // A whole word: `in` does not begin `inner`.
  bool take_word(std::string_view word) {
    if (!peek(word)) return false;
    const std::size_t end = at_ + word.size();
    if (end < text_.size() && continues_name(text_[end])) return false;
    at_ = end;
    return true;
  }

  std::string unexpected(std::string_view wanted) const {
    if (at_ >= text_.size()) return fmt::format("expected {}, found the end", wanted);
    return fmt::format("expected {}, found '{}'", wanted, text_.substr(at_, 12));
  }

  [[noreturn]] void fail(std::size_t position, std::string_view message) const {
    throw ConfigError(at_place(
        out_.place_, fmt::format("in the expression '{}', column {}: {}",
                                 std::string_view(text_).substr(0, 200), position + 1, message)));
  }

  Expression& out_;
  std::string_view text_;
  std::span<const std::string> known_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

Expression Expression::parse(std::string_view text, std::string_view place,
                             std::span<const std::string> known) {
  Expression out;
  out.text_ = text;
  out.place_ = place;
  ExpressionParser(out, known).run();
  return out;
}

namespace {

bool equal(const Value& a, const Value& b) {
  if (is_number(a) && is_number(b)) {
    if (a.index() == b.index()) return a == b;
    return to_real(a) == to_real(b);
  }
  const auto* left = a.as<List>();
  const auto* right = b.as<List>();
  if (left && right)
    return std::equal(left->begin(), left->end(), right->begin(), right->end(), equal);
  return a == b;
}

// −1, 0, 1; nothing where the two are in no order.
std::optional<int> order(const Value& a, const Value& b) {
  if (is_number(a) && is_number(b)) {
    const double left = to_real(a);
    const double right = to_real(b);
    if (left < right) return -1;
    if (left > right) return 1;
    return left == right ? std::optional(0) : std::nullopt;  // NaN
  }
  const auto* left = a.as<std::string>();
  const auto* right = b.as<std::string>();
  if (left && right) return left->compare(*right) < 0 ? -1 : *left == *right ? 0 : 1;
  return std::nullopt;
}

bool contains(const Value& list, const Value& item) {
  const auto* items = list.as<List>();
  return items && std::any_of(items->begin(), items->end(),
                              [&](const Value& candidate) { return equal(candidate, item); });
}

bool matches(const Value& value, const Value& pattern) {
  const auto* glob = pattern.as<std::string>();
  return glob && value.is_set() && glob_match(*glob, format_bare(value));
}

}  // namespace

bool Expression::evaluate(std::span<const Value* const> values) const {
  BITSWEEP_CHECK(values.size() == names_.size(), "{} values for {} names", values.size(),
                 names_.size());
  return test(root_, values);
}

bool Expression::evaluate(const std::function<Value(std::string_view)>& lookup) const {
  std::vector<Value> held;
  held.reserve(names_.size());
  for (const std::string& name : names_) held.push_back(lookup(name));
  std::vector<const Value*> values;
  for (const Value& value : held) values.push_back(&value);
  return evaluate(values);
}

const Value& Expression::operand(int node, std::span<const Value* const> values) const {
  static const Value unset;
  const Node& n = nodes_[static_cast<std::size_t>(node)];
  const auto position = static_cast<std::size_t>(n.left);
  if (n.op == Op::kLiteral) return literals_[position];
  const Value* value = values[position];
  return value ? *value : unset;
}

bool Expression::test(int node, std::span<const Value* const> values) const {
  const Node& n = nodes_[static_cast<std::size_t>(node)];
  switch (n.op) {
    case Op::kAnd:
      return test(n.left, values) && test(n.right, values);
    case Op::kOr:
      return test(n.left, values) || test(n.right, values);
    case Op::kNot:
      return !test(n.left, values);
    case Op::kName:
    case Op::kLiteral: {
      const Value& value = operand(node, values);
      if (!value.is_set()) return false;
      if (const bool* flag = value.as<bool>()) return *flag;
      throw ConfigError(at_place(
          place_,
          fmt::format("in the expression '{}': '{}' is {}, which is neither true nor false", text_,
                      names_[static_cast<std::size_t>(n.left)], format_value(value))));
    }
    default:
      break;
  }
  const Value& left = operand(n.left, values);
  const Value& right = operand(n.right, values);
  if (n.op == Op::kEqual) return equal(left, right);
  if (n.op == Op::kNotEqual) return !equal(left, right);
  if (n.op == Op::kIn) return contains(right, left);
  if (n.op == Op::kMatch) return matches(left, right);
  const auto sign = order(left, right);
  if (!sign) return false;
  if (n.op == Op::kLess) return *sign < 0;
  if (n.op == Op::kLessEqual) return *sign <= 0;
  if (n.op == Op::kGreater) return *sign > 0;
  return *sign >= 0;
}

}  // namespace bitsweep::config
