#include "config/toml.h"

#include <random>

#include "core/file.h"
#include "support.h"

using namespace bitsweep::config;

namespace {

std::string refusal(std::string_view text) {
  return config_error([&] { parse_toml(text, "x.toml"); });
}

}  // namespace

TEST_CASE("every entry knows its file, line and column") {
  const auto document =
      parse_toml("name = \"a\"\n\n[trial]\nquant.weight.bits = 4\n", "dir/x.toml");
  const Entry* bits = document.root.find("trial")->find("quant")->find("weight")->find("bits");
  REQUIRE(bits != nullptr);
  CHECK(*bits->value() == Value(4));
  CHECK(bits->place() == "dir/x.toml:4:21");
  CHECK(document.root.find("name")->place() == "dir/x.toml:1:8");
  CHECK(document.root.find("trial")->find("nothing") == nullptr);
}

TEST_CASE("a list of tables is a list of entries, other lists are values") {
  const auto document = parse_toml(
      "inline = [{a = 1}, {a = 2}]\nplain = [1, [2, 3]]\nempty = []\n[[axis]]\nkey = \"k\"\n",
      "x.toml");
  CHECK(document.root.find("inline")->list()->size() == 2);
  CHECK(document.root.find("axis")->list()->front().find("key")->place() == "x.toml:5:7");
  CHECK(*document.root.find("plain")->value() == Value(List{1, List{2, 3}}));
  CHECK(*document.root.find("empty")->value() == Value(List{}));
  CHECK(to_value(*document.root.find("inline")) == Value(List{Table{{"a", 1}}, Table{{"a", 2}}}));
}

TEST_CASE("a byte-order mark and CRLF line ends are accepted") {
  const auto document = parse_toml("\xEF\xBB\xBFseed = 1\r\nname = \"x\"\r\n", "x.toml");
  CHECK(*document.root.find("seed")->value() == Value(1));
  CHECK(*document.root.find("name")->value() == Value("x"));
}

TEST_CASE("text that is not UTF-8 is refused with its place") {
  for (const std::string_view bytes : {"\xff", "\xc3(", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80",
                                       "\xf5\x80\x80\x80", "\xe2\x82"}) {
    const auto message = refusal("seed = 1\nname = \"" + std::string(bytes) + "\"\n");
    CHECK(message == "x.toml:2:9: a byte that is not UTF-8");
  }
  CHECK_NOTHROW(parse_toml("name = \"żółw 🐢 中\"\n", "x.toml"));
}

TEST_CASE("a NUL byte is refused with its place") {
  CHECK(refusal(std::string_view("a = 1\nb\0 = 2\n", 13)) ==
        "x.toml:2:2: a NUL byte; expected UTF-8 text");
  CHECK(contains(refusal(std::string_view("# \0\n", 4)), "NUL"));
}

TEST_CASE("50,000 nested arrays, tables or key parts are refused, not followed") {
  CHECK(refusal("a = " + std::string(50000, '[') + std::string(50000, ']')) ==
        "x.toml:1:37: nested deeper than 32 levels");
  std::string tables = "a = ";
  for (int i = 0; i < 50000; ++i) tables += "{a=";
  CHECK(contains(refusal(tables), "nested deeper than 32 levels"));
  std::string dotted = "a";
  for (int i = 0; i < 50000; ++i) dotted += ".a";
  CHECK(contains(refusal(dotted + " = 1"), "nested deeper than 32 levels"));
  CHECK(contains(refusal("[" + dotted + "]"), "nested deeper than 32 levels"));
  std::string quoted = "\"=\"";
  for (int i = 0; i < 50000; ++i) quoted += ".\",\"";
  CHECK(contains(refusal(quoted + " = 1"), "nested deeper than 32 levels"));
}

TEST_CASE("brackets and dots in strings and comments are not nesting") {
  const std::string many(100, '[');
  const std::string dots(100, '.');
  const auto document = parse_toml(
      "a = \"" + many + dots + "\"\nb = '" + many + "'\n# " + many + dots + "\nc = \"\"\"x\\\"" +
          many + "\n" + dots + "\"\"\"\"\nd = '''" + many + "'" + dots + "'''\ne = \"\\\"[\"\n",
      "x.toml");
  CHECK(document.root.find("a")->value()->as<std::string>()->size() == 200);
  CHECK(*document.root.find("e")->value() == Value("\"["));
}

TEST_CASE("a file of 200 MB is refused before it is read") {
  const TemporaryFolder folder;
  const auto file = folder.write("big.toml", "");
  std::filesystem::resize_file(file, 200ull << 20);  // sparse
  const auto message = config_error([&] { read_toml(file); });
  CHECK(contains(message, "big.toml"));
}

TEST_CASE("a missing file and a folder are refused by name") {
  const TemporaryFolder folder;
  CHECK(contains(config_error([&] { read_toml(folder.path() / "none.toml"); }), "none.toml"));
  CHECK(contains(config_error([&] { read_toml(folder.path()); }), folder.path().string()));
}

TEST_CASE("the same key or table twice is refused with the name") {
  CHECK(refusal("seed = 1\nseed = 2\n") == "x.toml:2:8: 'seed' is given twice");
  CHECK(
      contains(refusal("[trial]\nseed = 1\n[trial]\nkind = \"ptq\"\n"), "'trial' is given twice"));
  CHECK(contains(refusal("quant.weight.bits = 1\nquant.weight.bits = 2\n"),
                 "'quant.weight.bits' is given twice"));
  CHECK(contains(refusal("a = { b = 1 }\na.c = 2\n"), "x.toml:2:"));
}

TEST_CASE("a syntax error is one line that begins with its place") {
  for (const char* text :
       {"a = ", "a = 9223372036854775808", "a 4", "[t", "a = \"x", "a = [1, 2", "= 4",
        "a = 4 b = 5", "a = tru", "a = 0x", "a = 1__0", "a = {b = 1,}", "a = \"\\q\""}) {
    for (const char* ending : {"", "\n", "\r\n"}) {
      const auto message = refusal(std::string(text) + ending);
      INFO(message);
      CHECK(message.starts_with("x.toml:1:"));
      CHECK(contains(message, ": not valid TOML: "));
      CHECK_FALSE(contains(message, "\n"));
      CHECK_FALSE(contains(message, "Error while"));
    }
  }
}

TEST_CASE("a date is refused with its place") {
  CHECK(contains(refusal("a = 2026-01-01\n"), "x.toml:1:5: a date or time"));
}

TEST_CASE("parse_toml_value reads TOML values and leaves other text a string") {
  CHECK(parse_toml_value("4") == Value(4));
  CHECK(parse_toml_value(" 0.5 ") == Value(0.5));
  CHECK(parse_toml_value("true") == Value(true));
  CHECK(parse_toml_value("\"4\"") == Value("4"));
  CHECK(parse_toml_value("[2, 3]") == Value(List{2, 3}));
  CHECK(parse_toml_value("{ mean = [0] }") == Value(Table{{"mean", List{0}}}));
  CHECK(parse_toml_value("laplace") == Value("laplace"));
  CHECK(parse_toml_value("std:2.5") == Value("std:2.5"));
  CHECK(parse_toml_value("../w/x.safetensors") == Value("../w/x.safetensors"));
  CHECK(parse_toml_value("2026-01-01") == Value("2026-01-01"));
  CHECK(parse_toml_value("4#b") == Value("4#b"));
  CHECK(parse_toml_value("") == Value(""));
  CHECK(parse_toml_value("4\nb = 5") == Value("4\nb = 5"));
}

TEST_CASE("parse_toml_value refuses a string, list or table that does not end") {
  for (const char* text : {"[2, 3", "\"x", "{ a = 1", "[2 3]"}) {
    CHECK(contains(config_error([&] { parse_toml_value(text); }), text));
  }
}

TEST_CASE("random bytes are a document or a ConfigError, never a crash") {
  std::mt19937 random(11);
  const std::string_view pieces[] = {"a", ".",      "=",   "[",  "]",    "{", "}", "\"",
                                     "'", "\n",     "#",   ",",  "1",    "-", "e", ":",
                                     " ", "\"\"\"", "'''", "\\", "\xff", "é"};
  for (int round = 0; round < 20000; ++round) {
    std::string text;
    for (auto length = random() % 16; length > 0; --length) {
      text += pieces[random() % std::size(pieces)];
    }
    try {
      parse_toml(text, "x.toml");
    } catch (const bitsweep::ConfigError& error) {
      REQUIRE(std::string_view(error.what()).starts_with("x.toml:"));
    }
  }
}
