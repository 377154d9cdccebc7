// One table in six formats: alignment, cutting, and what hostile names cannot do.
#include "cli/table.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <cstdlib>
#include <limits>

namespace bitsweep::cli {
namespace {

using nlohmann::json;

const Table kTable{{"name", "top1", "note"},
                   {{"W8A8", 0.9173, nullptr}, {"W4A4 per channel", 0.5, "ok"}}};

TEST_CASE("a text table aligns text left, numbers right, and shows nothing as a dash", "[cli]") {
  CHECK(render(kTable, Format::table) ==
        "name                top1  note\n"
        "W8A8              0.9173  –\n"
        "W4A4 per channel     0.5  ok\n");
}

TEST_CASE("a text table that is too wide loses the middles of its texts, never digits", "[cli]") {
  const Table table{{"key", "name", "top1"},
                    {{"0123456789ab", "quickstart/method=W4A4 per channel,seed=0", 0.917312},
                     {"ba9876543210", "quickstart/method=fp32,seed=1", 0.92}}};
  CHECK(render(table, Format::table, 46) ==
        "key           name                        top1\n"
        "0123456789ab  quick…r channel,seed=0  0.917312\n"
        "ba9876543210  quick…thod=fp32,seed=1      0.92\n");
  for (const std::size_t width : {40U, 60U, 80U}) {
    const std::string text = render(table, Format::table, width);
    CHECK(display_width(text.substr(0, text.find('\n'))) <= width);
    CHECK(text.find("0.917312") != std::string::npos);
    CHECK(text.find("0123456789ab") != std::string::npos);
  }
}

TEST_CASE("a terminal is not steered by what a name holds", "[cli]") {
  const Table table{{"name"}, {{"\x1b[31mred\nnext\x07"}}};
  CHECK(render(table, Format::table) == "name\n[31mred next\n");
}

TEST_CASE("widths count characters, not bytes", "[cli]") {
  const Table table{{"a", "b"}, {{"µ±–", "x"}, {"abcd", "y"}}};
  CHECK(render(table, Format::table) == "a     b\nµ±–   x\nabcd  y\n");
  CHECK(display_width("µ±–") == 3);
}

TEST_CASE("Markdown cells escape what would end the cell or become markup", "[cli]") {
  const Table table{{"name", "top1"}, {{"a|b *c* <b>", 0.25}}};
  CHECK(render(table, Format::md) ==
        "| name | top1 |\n| --- | ---: |\n| a\\|b \\*c\\* &lt;b> | 0.25 |\n");
}

TEST_CASE("CSV quotes by RFC 4180, keeps numbers whole and disarms formulas", "[cli]") {
  const Table table{{"name", "top1", "note"},
                    {{"a,\"b\"", 0.1234567890123, nullptr}, {"=1+1", -1, true}}};
  CHECK(render(table, Format::csv) ==
        "name,top1,note\r\n\"a,\"\"b\"\"\",0.1234567890123,\r\n'=1+1,-1,true\r\n");
}

TEST_CASE("LaTeX cells escape its special characters", "[cli]") {
  const Table table{{"name", "top1"}, {{"50%_a&b\\", 0.25}}};
  CHECK(render(table, Format::tex) ==
        "\\begin{tabular}{lr}\n\\toprule\nname & top1 \\\\\n\\midrule\n"
        "50\\%\\_a\\&b\\textbackslash{} & 0.25 \\\\\n\\bottomrule\n\\end{tabular}\n");
}

TEST_CASE("JSON carries the schema's version, every column of every row, and unset as null",
          "[cli]") {
  const json document = json::parse(render(kTable, Format::json));
  CHECK(document == json{{"schema_version", 1},
                         {"rows",
                          {{{"name", "W8A8"}, {"top1", 0.9173}, {"note", nullptr}},
                           {{"name", "W4A4 per channel"}, {"top1", 0.5}, {"note", "ok"}}}}});
  CHECK(json::parse(render(Table{{"name"}, {}}, Format::json)) ==
        json{{"schema_version", 1}, {"rows", json::array()}});
}

TEST_CASE("JSON lines are one row each, in the order of the columns", "[cli]") {
  CHECK(render(kTable, Format::jsonl) ==
        "{\"name\":\"W8A8\",\"top1\":0.9173,\"note\":null}\n"
        "{\"name\":\"W4A4 per channel\",\"top1\":0.5,\"note\":\"ok\"}\n");
}

TEST_CASE("text that is no UTF-8 does not stop the output", "[cli]") {
  const Table table{{"name"}, {{"\xff\xfe"}}};
  CHECK(json::parse(render(table, Format::json)).at("rows").size() == 1);
  CHECK_FALSE(render(table, Format::table).empty());
}

TEST_CASE("an unknown format names the known ones", "[cli]") {
  CHECK_THROWS_WITH(format_from_name("jsn"),
                    "unknown format 'jsn'; known: table, md, csv, json, jsonl, tex (did you mean "
                    "'json'?)");
}

}  // namespace
}  // namespace bitsweep::cli
