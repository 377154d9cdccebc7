#include "config/expression.h"

#include <map>
#include <random>

#include "support.h"

using namespace bitsweep::config;

namespace {

bool holds(std::string_view text) {
  static const std::map<std::string, Value, std::less<>> names = {
      {"quant.weight.bits", 4},
      {"quant.activation.bits", "none"},
      {"model.name", "resnet20"},
      {"top1", 0.91},
      {"fold", true},
      {"widths", List{8, 4}},
      {"w4a4.top1", 0.5},
      {"seed", 0},
  };
  return Expression::parse(text).evaluate([&](std::string_view name) {
    const auto it = names.find(name);
    return it == names.end() ? Value() : it->second;
  });
}

}  // namespace

TEST_CASE("an expression compares numbers as numbers and text as text") {
  CHECK(holds("quant.weight.bits == 4"));
  CHECK(holds("quant.weight.bits == 4.0"));
  CHECK(holds("top1 >= 0.91"));
  CHECK_FALSE(holds("top1 > 0.91"));
  CHECK(holds("-1 < seed"));
  CHECK(holds("1e-3 < top1"));
  CHECK(holds("model.name < 'resnet3'"));
  CHECK(holds("w4a4.top1 <= .5"));
  CHECK(holds("widths == [8, 4]"));
  CHECK_FALSE(holds("widths == [8]"));
}

TEST_CASE("and binds tighter than or, not tighter than and") {
  CHECK(holds("true or false and false"));
  CHECK_FALSE(holds("(true or false) and false"));
  CHECK(holds("not false and true"));
  CHECK_FALSE(holds("not (false or true)"));
}

TEST_CASE("&& || ! are other spellings of and or not") {
  CHECK(holds("fold && quant.weight.bits == 4 || false"));
  CHECK(holds("!(seed == 1)"));
  CHECK(holds("!!fold"));
  CHECK(holds("seed!=1"));
}

TEST_CASE("in looks into a list and ~ matches a glob") {
  CHECK(holds("quant.weight.bits in [2, 4]"));
  CHECK_FALSE(holds("quant.weight.bits in []"));
  CHECK(holds("8 in widths"));
  CHECK(holds("model.name ~ 'resnet*'"));
  CHECK_FALSE(holds("model.name ~ 'resnet'"));
  CHECK(holds("seed ~ '0'"));
}

TEST_CASE("an unset name is null: equal to null alone and in no order") {
  CHECK(holds("absent == null"));
  CHECK(holds("absent != 4"));
  CHECK_FALSE(holds("absent == 4"));
  CHECK_FALSE(holds("absent < 4"));
  CHECK_FALSE(holds("absent >= 4"));
  CHECK_FALSE(holds("absent ~ '*'"));
  CHECK_FALSE(holds("absent"));
  CHECK_FALSE(holds("seed == null"));
}

TEST_CASE("values of different types are unequal and in no order") {
  CHECK_FALSE(holds("quant.activation.bits < 8"));
  CHECK_FALSE(holds("quant.activation.bits >= 8"));
  CHECK(holds("quant.activation.bits != 8"));
  CHECK(holds("quant.activation.bits == \"none\""));
  CHECK_FALSE(holds("fold == 1"));
}

TEST_CASE("a name used as a condition must hold true or false") {
  CHECK(holds("fold"));
  const auto message = bitsweep::config::config_error([] { holds("quant.weight.bits"); });
  CHECK(contains(message, "'quant.weight.bits' is 4, which is neither true nor false"));
}

TEST_CASE("evaluate with values in the order of names() equals evaluate with a lookup") {
  const auto expression = Expression::parse("a == 1 and (b == 2 or a == 3)");
  CHECK(expression.names() == std::vector<std::string>{"a", "b"});
  const Value a = 1;
  const Value b = 2;
  const Value* values[] = {&a, &b};
  CHECK(expression.evaluate(values));
  const Value* unset[] = {&a, nullptr};
  CHECK_FALSE(expression.evaluate(unset));
}

TEST_CASE("what is no expression is refused with place, text and column") {
  struct Case {
    const char* text;
    const char* message;
  };
  const Case cases[] = {
      {"", "column 1: expected a name or a value, found the end"},
      {"a ==", "column 5: expected a name or a value, found the end"},
      {"a = 4", "column 3: '=' sets a value; a comparison is '=='"},
      {"a == 4 b", "column 8: expected the end, found 'b'"},
      {"(a == 4", "column 8: expected ')', found the end"},
      {"1 < a < 3", "column 6: comparisons do not chain"},
      {"a == 'x", "column 6: a string without its closing quote"},
      {"a in 4", "column 6: 'in' takes a list"},
      {"a ~ 4", "column 5: '~' takes a glob"},
      {"a in [x]", "column 7: a list holds values; is 'x' a string without its quotes?"},
      {"a in [1 2]", "column 9: expected ',' or ']', found '2]'"},
      {"4", "column 1: 4 is not a condition"},
      {"a == 4x", "column 6: a number that cannot be read"},
      {"a and or b", "column 7: expected a name or a value, found 'or'"},
      {"a == 4 && ", "column 11: expected a name or a value, found the end"},
      {"a % 4", "column 3: expected the end, found '% 4'"},
  };
  for (const Case& c : cases) {
    INFO(c.text);
    const auto message = config_error([&] { Expression::parse(c.text, "x.toml:3:8"); });
    INFO(message);
    CHECK(message.starts_with("x.toml:3:8: in the expression '"));
    CHECK(contains(message, c.message));
  }
}

TEST_CASE("an unknown name is refused with the nearest known one") {
  const std::vector<std::string> known = {"quant.weight.bits", "seed"};
  const auto message =
      config_error([&] { Expression::parse("quant.weight.bit == 4", "x.toml:1:1", known); });
  CHECK(contains(message, "unknown name 'quant.weight.bit' (did you mean 'quant.weight.bits'?)"));
  CHECK_NOTHROW(Expression::parse("quant.weight.bits == 4 and true", "x.toml:1:1", known));
}

TEST_CASE("nesting and length are limited, a long chain is not nesting") {
  const auto nested = [](std::size_t depth, std::string_view open, std::string_view close) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += open;
    text += "a";
    for (std::size_t i = 0; i < depth; ++i) text += close;
    return text;
  };
  CHECK_NOTHROW(Expression::parse(nested(60, "(", ")")));
  for (const auto& text :
       {nested(5000, "(", ")"), nested(5000, "!", ""), nested(2000, "not ", "")}) {
    CHECK(contains(config_error([&] { Expression::parse(text); }), "nested deeper than"));
  }
  CHECK(contains(config_error([] { Expression::parse("a in " + std::string(5000, '[')); }),
                 "nested deeper than"));
  CHECK(contains(config_error([&] { Expression::parse(nested(100000, "(", ")")); }),
                 "an expression of 200001 characters"));
  std::string chain = "seed == 0";
  for (int i = 0; i < 700; ++i) chain += " and seed == 0";
  CHECK(holds(chain));
}

TEST_CASE("random text is an expression or a ConfigError, never a crash") {
  std::mt19937 random(7);
  const std::string_view pieces[] = {
      "a",  "b.c", "4",  "-0.5", "'x'", "\"", "'", "[", "]", ",", "(",  ")", "and", "or",   "not",
      "in", "==",  "!=", "<=",   "~",   "&&", "!", "|", "=", " ", "\\", ".", "e9",  "\xff", "null"};
  int understood = 0;
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (auto length = random() % 9; length > 0; --length) {
      text += pieces[random() % std::size(pieces)];
      if (random() % 2) text += ' ';
    }
    try {
      Expression::parse(text).evaluate([](std::string_view) { return Value(true); });
      ++understood;
    } catch (const bitsweep::ConfigError&) {
    }
  }
  CHECK(understood > 100);
}
