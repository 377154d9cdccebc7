#include "config/value.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>

using namespace bitsweep::config;

TEST_CASE("format_real gives the shortest text that reads back as the same number") {
  CHECK(format_real(4.0) == "4");
  CHECK(format_real(0.1) == "0.1");
  CHECK(format_real(-2.5) == "-2.5");
  CHECK(format_real(1e-7) == "1e-07");
  CHECK(format_real(1.0 / 3.0) == "0.3333333333333333");
  CHECK(std::strtod(format_real(5e-324).c_str(), nullptr) == 5e-324);
}

TEST_CASE("integers and reals of the same size are different values") {
  CHECK(Value(4) == Value(4));
  CHECK_FALSE(Value(4) == Value(4.0));
  CHECK_FALSE(Value(1) == Value(true));
  CHECK(Value() == Value());
}

TEST_CASE("format_value spells as TOML does, format_bare leaves the quotation marks out") {
  const Value list = List{8, "none", 0.5, true};
  CHECK(format_value(list) == "[8, \"none\", 0.5, true]");
  CHECK(format_value(Table{{"mean", List{0.5}}, {"std", 1}}) == "{ mean = [0.5], std = 1 }");
  CHECK(format_value("fo\"ur") == "\"fo\\\"ur\"");
  CHECK(format_bare("four") == "four");
  CHECK(format_value(Value()) == "unset");
}

TEST_CASE("append_json sorts tables and escapes control characters") {
  std::string out;
  append_json(out, Table{{"b", List{}}, {"a", "x\n\x01"}});
  CHECK(out == R"({"a":"x\n\u0001","b":[]})");
}

TEST_CASE("a value survives the way through JSON") {
  for (const Value& value :
       {Value(), Value(true), Value(-7), Value(0.25), Value("text"), Value(List{1, "a", List{}}),
        Value(Table{{"mean", List{0.5, 1.5, 2.5}}})}) {
    CHECK(value_from_json(to_json(value)) == value);
  }
}
