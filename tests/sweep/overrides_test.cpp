#include "sweep/overrides.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/error.h"
#include "files.h"

namespace bitsweep::sweep {
namespace {

using Catch::Matchers::ContainsSubstring;
using Names = std::vector<std::string>;
using Values = std::vector<config::Value>;

constexpr const char* kSweep = R"(
name = "s"
[trial]
quant.scheme = "aciq"
quant.preset = "submission2019"
[[axis]]
key = "quant.weight.bits"
values = [4, 8]
[[axis]]
name = "method"
[[axis.variant]]
name = "naive"
[[axis.variant]]
name = "all"
set = { quant.activation.clipping = "laplace" }
[[include]]
name = "fp32"
set = { quant.scheme = "none", eval.batch_size = 50 }
)";

constexpr const char* kRows = R"(
name = "s"
[[axis]]
keys = ["quant.activation.bits", "quant.weight.bits"]
rows = [[4, 8], [8, 4]]
)";

Expansion expanded(const char* text, const Names& assignments, const Names& without = {}) {
  const Files files;
  SweepFile sweep = files.load(text);
  apply_overrides(sweep, assignments, without);
  return expand(sweep);
}

std::string error_of(const char* text, const Names& assignments, const Names& without = {}) {
  try {
    expanded(text, assignments, without);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("the right side is a TOML value, else a bare string") {
  CHECK(parse_override("a=4").values == Values{4});
  CHECK(parse_override("a=4.5").values == Values{4.5});
  CHECK(parse_override("a=true").values == Values{true});
  CHECK(parse_override("a=laplace").values == Values{"laplace"});
  CHECK(parse_override("a=\"4\"").values == Values{"4"});
  CHECK(parse_override("a=../w/resnet20.safetensors").values ==
        Values{"../w/resnet20.safetensors"});
  CHECK(parse_override("a=x=y").values == Values{"x=y"});
}

TEST_CASE("commas make an axis, brackets a list value") {
  CHECK(parse_override("a=2,3,4").values == Values{2, 3, 4});
  CHECK(parse_override("a=[2,3]").values == Values{config::List{2, 3}});
  CHECK(parse_override("a=[2,3],[4,5]").values == Values{config::List{2, 3}, config::List{4, 5}});
  CHECK(parse_override("a=\"x,y\",z").values == Values{"x,y", "z"});
}

TEST_CASE("ranges include both ends") {
  CHECK(parse_override("a=4..8").values == Values{4, 5, 6, 7, 8});
  CHECK(parse_override("a=4..8:2").values == Values{4, 6, 8});
  CHECK(parse_override("a=4..9:2").values == Values{4, 6, 8});
  CHECK(parse_override("a=8..4:-2").values == Values{8, 6, 4});
  CHECK(parse_override("a=2,4..6").values == Values{2, 4, 5, 6});
  CHECK(parse_override("a=0.1..0.3:0.1").values == Values{0.1, 0.2, 0.3});
  CHECK_THROWS_WITH(parse_override("a=8..4"), ContainsSubstring("is empty"));
  CHECK_THROWS_WITH(parse_override("a=4..8:0"), ContainsSubstring("is empty"));
  CHECK_THROWS_AS(parse_override("a=0..99999999999"), ConfigError);
}

TEST_CASE("Hydra's spellings are refused with the translation") {
  CHECK_THROWS_WITH(parse_override("a=choice(2,3)"), ContainsSubstring("a=2,3"));
  CHECK_THROWS_WITH(parse_override("a=range(4,9)"), ContainsSubstring("a=4..8 "));
  CHECK_THROWS_WITH(parse_override("a=range(4,10,2)"), ContainsSubstring("a=4..9:2"));
  CHECK_THROWS_WITH(parse_override("a=range(3)"), ContainsSubstring("a=0..2"));
  CHECK_THROWS_WITH(parse_override("+a=4"), ContainsSubstring("written a=4"));
  CHECK_THROWS_WITH(parse_override("~a"), ContainsSubstring("--without a"));
}

TEST_CASE("an argument that is no assignment is refused") {
  const char* argument = GENERATE("a", "=4", "a=", "a=2,,3", "a=[2,3", "a=\"x");
  CHECK_THROWS_AS(parse_override(argument), ConfigError);
}

TEST_CASE("a value on an axis key pins the axis") {
  const Expansion out = expanded(kSweep, {"quant.weight.bits=8"});
  CHECK(names(out) == Names{"s/bits=8,method=naive", "s/bits=8,method=all", "s/fp32"});
  CHECK_FALSE(out.points[2].settings.is_explicit("quant.weight.bits"));
}

TEST_CASE("an axis of variants is pinned by its name") {
  CHECK(names(expanded(kSweep, {"method=all"})) ==
        Names{"s/bits=4,method=all", "s/bits=8,method=all", "s/fp32"});
  CHECK_THAT(error_of(kSweep, {"method=al"}), ContainsSubstring("did you mean 'all'"));
}

TEST_CASE("several values replace an axis, or make a new last one") {
  CHECK(names(expanded(kSweep, {"quant.weight.bits=2,3", "method=naive"})) ==
        Names{"s/bits=2,method=naive", "s/bits=3,method=naive", "s/fp32"});
  CHECK(names(expanded(kSweep,
                       {"quant.activation.bits=4..6:2", "quant.weight.bits=8", "method=naive"})) ==
        Names{"s/weight.bits=8,method=naive,activation.bits=4",
              "s/weight.bits=8,method=naive,activation.bits=6", "s/fp32"});
}

TEST_CASE("the command line wins over trial, variants and included points") {
  const Expansion out = expanded(kSweep, {"\"quant.activation.clipping\"=gauss",
                                          "eval.batch_size=100", "quant.weight.bits=4"});
  REQUIRE(out.points.size() == 3);
  CHECK(bare(out.points[1], "quant.activation.clipping") == "gauss");
  CHECK(bare(out.points[2], "eval.batch_size") == "100");
}

TEST_CASE("--without removes an axis, or a key that the file sets") {
  CHECK(names(expanded(kSweep, {}, {"quant.weight.bits"})) ==
        Names{"s/method=naive", "s/method=all", "s/fp32"});
  CHECK(names(expanded(kSweep, {}, {"method"})) == Names{"s/bits=4", "s/bits=8", "s/fp32"});
  const Expansion out = expanded(kSweep, {}, {"quant.preset"});
  CHECK_FALSE(out.points[0].settings.is_explicit("quant.preset"));
}

TEST_CASE("a key inside rows is an error that says so") {
  CHECK_THAT(error_of(kRows, {"quant.weight.bits=8"}),
             ContainsSubstring("rows") && ContainsSubstring("quant.activation.bits"));
  CHECK_THAT(error_of(kRows, {"quant.weight.bits=2,4"}), ContainsSubstring("rows"));
  CHECK_THAT(error_of(kRows, {}, {"quant.weight.bits"}), ContainsSubstring("rows"));
}

TEST_CASE("seed on the command line stands for the seeds") {
  CHECK(names(expanded(kRows, {"seed=0..1"})).size() == 4);
  const Expansion out = expanded(kRows, {"seed=7"});
  CHECK(out.points[0].name == "s/activation.bits=4,weight.bits=8");
  CHECK(out.points[0].seed == 7);
}

TEST_CASE("an unknown key or a value out of range on the command line is refused") {
  CHECK_THAT(error_of(kSweep, {"quant.weight.bit=4"}), ContainsSubstring("quant.weight.bits"));
  CHECK_THAT(error_of(kSweep, {"quant.weight.bits=4,40"}), ContainsSubstring("40"));
  CHECK_THAT(error_of(kSweep, {"eval.batch_size=1", "eval.batch_size=2"}),
             ContainsSubstring("twice"));
  CHECK_THAT(error_of(kSweep, {}, {"quant.nothing"}), ContainsSubstring("unknown key"));
}

}  // namespace
}  // namespace bitsweep::sweep
