// The parts of a report: escaping, numbers, the Pareto front, gnuplot's strings, tables.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>

#include "core/error.h"
#include "core/escape.h"
#include "fixture.h"
#include "report/format.h"
#include "report/gnuplot.h"
#include "report/paired.h"
#include "report/pareto.h"
#include "report/tables.h"

using namespace bitsweep;
using namespace bitsweep::report;

TEST_CASE("escape_markdown leaves no markup") {
  CHECK(escape_markdown("a|b*c_d") == "a\\|b\\*c_d");
  CHECK(escape_markdown("_a_ [x](y) `z`") == "\\_a\\_ \\[x\\](y) \\`z\\`");
  CHECK(escape_markdown("<b> < 0.001 &lt; R&D") == "&lt;b> < 0.001 &amp;lt; R&amp;D");
  CHECK(escape_markdown("two\nlines\x01") == "two lines");
  CHECK(markdown_code("a`b|c") == "`` a`b\\|c ``");
}

TEST_CASE("escape_html is safe in text and in attributes") {
  CHECK(escape_html("<a href=\"x\">'&") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
}

TEST_CASE("escape_tex leaves no command") {
  CHECK(
      escape_tex("50% of $x_1 & {y}\\n #1 ~^") ==
      "50\\% of \\$x\\_1 \\& \\{y\\}\\textbackslash{}n \\#1 \\textasciitilde{}\\textasciicircum{}");
  CHECK(escape_tex("−0.5 ± 0.1") == "$-$0.5 $\\pm$ 0.1");
}

TEST_CASE("escape_csv quotes by RFC 4180 and disarms formulas, not numbers") {
  CHECK(escape_csv("plain") == "plain");
  CHECK(escape_csv("a,\"b\"") == "\"a,\"\"b\"\"\"");
  CHECK(escape_csv("=SUM(A1)") == "'=SUM(A1)");
  CHECK(escape_csv("@x") == "'@x");
  CHECK(escape_csv("-1.5e-3") == "-1.5e-3");
  CHECK(escape_csv("-x") == "'-x");
}

TEST_CASE("percent and points round, keep their sign and have no negative zero") {
  CHECK(format_percent(0.92104) == "92.10");
  CHECK(format_points(0.0012) == "+0.12");
  CHECK(format_points(-0.0035) == "−0.35");
  CHECK(format_points(-0.000001) == "0.00");
  CHECK(format_p(0.0004) == "< 0.001");
  CHECK(format_p(0.0314) == "0.031");
  CHECK(format_metric("top1", 0.5) == "50.00");
  CHECK(format_metric("bops", 41e6) == "41,000,000");
  CHECK(format_metric("weight_bits_average", 4) == "4.00");
}

TEST_CASE("pareto_front keeps what no point beats") {
  const std::vector<CostPoint> points{{4, 0.8}, {8, 0.9}, {8, 0.85}, {2, 0.7}, {16, 0.9}, {4, 0.8}};
  CHECK(pareto_front(points) == std::vector<std::size_t>{3, 0, 1});
  CHECK(pareto_front({}).empty());
}

TEST_CASE("gnuplot strings substitute nothing") {
  CHECK(gnuplot_string("it's `date` 5%\n") == "'it''s date 5% '");
  CHECK(gnuplot_tic("5%") == "'5%%'");
}

TEST_CASE("a picture that gnuplot refuses is an error with its words") {
  CHECK_THROWS_MATCHES(
      draw_png({100, 100, "plot no_such_thing\n"}), EnvironmentError,
      Catch::Matchers::MessageMatches(Catch::Matchers::ContainsSubstring("no_such_thing")));
}

TEST_CASE("without gnuplot the error names the package") {
  const char* path = std::getenv("PATH");
  const std::string saved = path != nullptr ? path : "";
  ::setenv("PATH", "/nonexistent", 1);
  CHECK_THROWS_MATCHES(
      draw_png({100, 100, "plot x\n"}), EnvironmentError,
      Catch::Matchers::MessageMatches(Catch::Matchers::ContainsSubstring("gnuplot-nox")));
  ::setenv("PATH", saved.c_str(), 1);
}

TEST_CASE("the baseline of a configuration is the unquantized one of the same network and data") {
  ReportInput input = demo_input();
  input.runs.push_back(make_run("other", 0, {}, config_of("aciq", 8, 8)));
  input.runs.back().trial.config["model.name"] = "resnet32";
  const auto groups = group_by_seed(input);
  const auto baselines = baselines_of(groups);
  CHECK(baselines == std::vector<const Group*>{&groups[8]});
  CHECK(baseline_of(groups[0], baselines) == &groups[8]);
  CHECK(baseline_of(groups[8], baselines) == nullptr);
  CHECK(baseline_of(groups[9], baselines) == nullptr);
}

TEST_CASE("paired_test compares trials of the lowest common seed on the same images alone") {
  ReportInput input = demo_input();
  auto groups = group_by_seed(input);
  const auto test = paired_test(groups[0], groups[8]);
  REQUIRE(test.has_value());
  CHECK(test->test.only_second - test->test.only_first == 917 - 912);
  input.runs.front().trial.config["data.test_images"] = 500;
  CHECK_FALSE(paired_test(groups[0], groups[8]).has_value());
}

TEST_CASE("groups gather seeds and keep the plan's order") {
  ReportInput input = demo_input();
  input.runs.push_back(make_run("bits=W8A8,granularity=tensor", 1,
                                {{"bits", "W8A8"}, {"granularity", "tensor"}},
                                config_of("aciq", 8, 8)));
  const auto groups = group_by_seed(input);
  CHECK(groups.size() == 9);
  CHECK(groups[0].runs.size() == 2);
  CHECK(groups[0].successful().size() == 1);
  CHECK(groups[0].anchor == "c1");
  CHECK(groups[8].name == "fp32");
}

TEST_CASE(
    "a layout puts every configuration into one cell and points outside it into all columns") {
  const ReportInput input = demo_input();
  const auto groups = group_by_seed(input);
  const Table table = layout_table(input.tables.front(), groups, {});
  REQUIRE(table.columns.size() == 3);
  CHECK(table.columns[1].heading == "tensor");
  REQUIRE(table.rows.size() == 5);
  CHECK(table.rows[0].cells[1].plain() == "91.20");
  CHECK(table.rows[0].cells[2].plain() == "91.60");
  CHECK(table.rows[4].cells[0].plain() == "fp32");
  CHECK(table.rows[4].cells[2].plain() == "91.70");
  CHECK(table.rows[3].cells[1].spans.front().target == "c7");
}

TEST_CASE("an axis that a layout does not name becomes rows, never a shared cell") {
  const ReportInput input = demo_input();
  const auto groups = group_by_seed(input);
  const Table table = layout_table({"t", "", {"bits"}, {}, "top1"}, groups, {});
  CHECK(table.rows.size() == 9);
  CHECK(table.columns.size() == 3);  // bits, granularity, ours
}

TEST_CASE("an axis that the named keys decide adds no rows to a layout") {
  const ReportInput input = demo_input();
  const auto groups = group_by_seed(input);
  const Table table = layout_table({"t",
                                    "granularity == 'channel' or quant.scheme == 'none'",
                                    {"quant.weight.bits"},
                                    {"quant.activation.bits"},
                                    "top1"},
                                   groups, {});
  CHECK(table.columns.size() == 3);  // weight bits, and two activation widths
  REQUIRE(table.rows.size() == 3);
  CHECK(table.rows[0].cells[1].plain() == "91.60");
  // What is not quantized has no widths, whatever the defaults say.
  CHECK(table.rows[2].cells[0].plain() == "fp32");
  CHECK(table.rows[2].cells[1].plain() == "91.70");
}

TEST_CASE("two configurations never share a cell of a layout") {
  const ReportInput input = demo_input();
  const auto groups = group_by_seed(input);
  const Table table =
      layout_table({"t", "", {"model.name"}, {"bits", "granularity"}, "top1"}, groups, {});
  REQUIRE(table.rows.size() == 2);
  CHECK(table.rows[0].cells[0].plain() == "resnet20");
  CHECK(table.rows[0].cells[1].plain() == "91.20");
  CHECK(table.rows[1].cells[0].plain() == "fp32");
}
