#include "sweep/expand.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/error.h"
#include "files.h"

namespace bitsweep::sweep {
namespace {

using Catch::Matchers::ContainsSubstring;
using Names = std::vector<std::string>;

TEST_CASE("the product of all axes is taken in file order, the last axis fastest") {
  const Files files;
  const Expansion out = expand(files.load(R"(
name = "s"
[[axis]]
key = "quant.weight.bits"
values = [4, 8]
[[axis]]
key = "quant.weight.granularity"
values = ["tensor", "channel"]
)"));
  CHECK(names(out) == Names{"s/bits=4,granularity=tensor", "s/bits=4,granularity=channel",
                            "s/bits=8,granularity=tensor", "s/bits=8,granularity=channel"});
  CHECK(bare(out.points[2], "quant.weight.bits") == "8");
  CHECK(bare(out.points[2], "quant.weight.granularity") == "tensor");
  CHECK(out.points[1].axis_values[1] == config::Value("channel"));
}

TEST_CASE("rows move their keys together, each under a label of its own") {
  const Files files;
  const Expansion out = expand(files.load(R"(
name = "s"
[[axis]]
keys = ["quant.activation.bits", "quant.weight.bits"]
rows = [[4, 8], [8, 4], [4, 4]]
)"));
  CHECK(names(out) == Names{"s/activation.bits=4,weight.bits=8",
                            "s/activation.bits=8,weight.bits=4",
                            "s/activation.bits=4,weight.bits=4"});
  REQUIRE(out.columns.size() == 2);
  CHECK(out.points[0].axis_values == std::vector<config::Value>{4, 8});
}

TEST_CASE("rows with a name are one column") {
  const Files files;
  const Expansion out = expand(files.load(R"(
name = "s"
[[axis]]
name = "widths"
keys = ["quant.activation.bits", "quant.weight.bits"]
rows = [[4, 8], [8, "none"]]
)"));
  CHECK(names(out) == Names{"s/widths=4:8", "s/widths=8:none"});
  CHECK(out.columns.size() == 1);
}

TEST_CASE("variants stand under their names, in file order, each with its own set") {
  const Files files;
  const Expansion out = expand(files.load(R"(
name = "s"
[[axis]]
name = "method"
[[axis.variant]]
name = "naive"
[[axis.variant]]
name = "all"
set = { quant.activation.clipping = "laplace", quant.weight = { bits = 4 } }
)"));
  CHECK(names(out) == Names{"s/method=naive", "s/method=all"});
  CHECK(bare(out.points[0], "quant.activation.clipping") == "none");
  CHECK(bare(out.points[1], "quant.activation.clipping") == "laplace");
  CHECK(bare(out.points[1], "quant.weight.bits") == "4");
}

TEST_CASE("an axis whose when is false collapses to one point with its keys unset") {
  const Files files;
  const Expansion out = expand(files.load(R"(
name = "s"
[trial]
quant.activation.percentile = 99.0
[[axis]]
key = "quant.activation.clipping"
values = ["none", "percentile"]
[[axis]]
key = "quant.activation.percentile"
values = [99.9, 99.99]
when = 'quant.activation.clipping == "percentile"'
)"));
  CHECK(names(out) == Names{"s/clipping=none", "s/clipping=percentile,percentile=99.9",
                            "s/clipping=percentile,percentile=99.99"});
  CHECK_FALSE(out.points[0].settings.is_explicit("quant.activation.percentile"));
  CHECK_FALSE(out.points[0].axis_values[1].is_set());
  CHECK(out.lints.empty());
}

TEST_CASE("a when may read an axis that stands after its own, and file order is kept") {
  const Files files;
  const Expansion out = expand(files.load(R"(
name = "s"
[[axis]]
key = "quant.activation.percentile"
values = [99.0, 99.9]
when = 'clip == "percentile"'
[[axis]]
name = "clip"
key = "quant.activation.clipping"
values = ["percentile", "none"]
)"));
  CHECK(names(out) == Names{"s/clip=none", "s/percentile=99,clip=percentile",
                            "s/percentile=99.9,clip=percentile"});
}

TEST_CASE("conditions of axes that wait for each other are an error") {
  const Files files;
  const SweepFile sweep = files.load(R"(
[[axis]]
key = "quant.weight.bits"
values = [4, 8]
when = "quant.activation.bits == 4"
[[axis]]
key = "quant.activation.bits"
values = [4, 8]
when = "quant.weight.bits == 4"
)");
  CHECK_THROWS_WITH(expand(sweep),
                    ContainsSubstring("s.toml:5:") && ContainsSubstring("waits for"));
}

TEST_CASE("a when that never holds and an exclude that matches nothing are lints") {
  const Files files;
  const Expansion out = expand(files.load(R"(
[[axis]]
key = "quant.weight.bits"
values = [4, 8]
when = 'quant.scheme == "qat"'
[[exclude]]
if = "quant.weight.bits == 2"
reason = "diverges"
)"));
  REQUIRE(out.lints.size() == 2);
  CHECK(out.lints[0].rule == "when_never_matches");
  CHECK(out.lints[1].rule == "exclude_never_matches");
  CHECK_THAT(out.lints[1].message, ContainsSubstring("s.toml:7:"));
}

TEST_CASE("an excluded point is skipped with its reason, for every seed") {
  const Files files;
  const Expansion out = expand(files.load(R"(
name = "s"
[[axis]]
key = "quant.weight.bits"
values = [2, 4]
[[exclude]]
if = 'quant.weight.bits == 2 and not (quant.scheme == "aciq")'
reason = "diverges"
[seeds]
values = [0, 1]
)"));
  CHECK(names(out) == Names{"s/bits=4,seed=0", "s/bits=4,seed=1"});
  CHECK(out.points[0].group == "s/bits=4");
  REQUIRE(out.skipped.size() == 2);
  CHECK(out.skipped[0].name == "s/bits=2,seed=0");
  CHECK(out.skipped[0].reason == "diverges");
  CHECK(out.skipped[0].axis_values == std::vector<config::Value>{2});
}

TEST_CASE("an included point starts from the trial, times the seeds, and no exclude touches it") {
  const Files files;
  const Expansion out = expand(files.load(R"(
name = "s"
[trial]
eval.batch_size = 100
[[axis]]
key = "quant.weight.bits"
values = [4]
[[include]]
name = "fp32"
set = { quant.scheme = "none" }
[[exclude]]
if = 'quant.scheme == "none" and quant.weight.bits != 4'
reason = "never"
[seeds]
values = [3, 7]
)"));
  CHECK(names(out) ==
        Names{"s/bits=4,seed=3", "s/bits=4,seed=7", "s/fp32,seed=3", "s/fp32,seed=7"});
  CHECK(bare(out.points[3], "eval.batch_size") == "100");
  CHECK(bare(out.points[3], "seed") == "7");
  CHECK_FALSE(out.points[3].axis_values[0].is_set());
}

TEST_CASE("a recipe is a sweep of one under its own name") {
  const Files files;
  const SweepFile sweep = load_sweep(files.write("resnet20_ptq.toml", R"(
seed = 5
[quant]
scheme = "aciq"
)"));
  CHECK(sweep.is_recipe);
  const Expansion out = expand(sweep);
  CHECK(names(out) == Names{"resnet20_ptq"});
  CHECK(out.points[0].seed == 5);
}

TEST_CASE("labels are the shortest tail of a key that nothing else is called") {
  const Files files;
  const Expansion out = expand(files.load(R"(
[[axis]]
key = "quant.weight.bits"
values = [4]
[[axis]]
key = "quant.activation.bits"
values = [4]
[[axis]]
key = "quant.calibration.images"
values = [128]
[[axis]]
name = "model"
key = "model.name"
values = ["resnet20"]
)"));
  REQUIRE(out.columns.size() == 4);
  CHECK(out.columns[0].label == "weight.bits");
  CHECK(out.columns[1].label == "activation.bits");
  CHECK(out.columns[2].label == "calibration.images");  // `images` is a metric
  CHECK(out.columns[3].label == "model");
}

TEST_CASE("a product beyond the limit is refused before it is built") {
  const Files files;
  SweepFile sweep = files.load("[trial]\n");
  apply_overrides(sweep, Names{"eval.batch_size=1..2000", "quant.calibration.images=1..2000"}, {});
  CHECK_THROWS_AS(expand(sweep), ConfigError);
}

}  // namespace
}  // namespace bitsweep::sweep
