#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/error.h"
#include "files.h"

namespace bitsweep::sweep {
namespace {

using Catch::Matchers::ContainsSubstring;

std::string error_of(const Files& files, std::string_view text) {
  try {
    files.load(text);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("the order of precedence is default, base, trial") {
  const Files files;
  files.write("base.toml", "[quant.weight]\nbits = 6\ngranularity = \"tensor\"\n");
  const SweepFile sweep = files.load(R"(
base = "base.toml"
[trial]
quant.weight.bits = 4
)");
  CHECK(sweep.trial.get("quant.weight.bits") == config::Value(4));
  CHECK(sweep.trial.get("quant.weight.granularity") == config::Value("tensor"));
  CHECK(sweep.trial.get("quant.activation.bits") == config::Value(8));
}

TEST_CASE("notes are one text or several, for the report") {
  const Files files;
  CHECK(files.load("notes = \"short\"\n[trial]\n").notes == std::vector<std::string>{"short"});
  CHECK(files.load("notes = [\"a\", \"b\"]\n[trial]\n").notes ==
        std::vector<std::string>{"a", "b"});
  CHECK(files.load("[trial]\n").notes.empty());
  CHECK_THAT(error_of(files, "notes = 7\n[trial]\n"), ContainsSubstring("notes"));
}

TEST_CASE("layer rules of the sweep come before those of its base") {
  const Files files;
  files.write("base.toml", "[[layer]]\nmatch = \"fc\"\nweight.bits = 8\n");
  const SweepFile sweep = files.load(R"(
base = "base.toml"
[trial]
[[layer]]
match = "conv1"
weight.bits = 6
)");
  REQUIRE(sweep.trial.layers.size() == 2);
  CHECK(sweep.trial.layers[0].match == "conv1");
  CHECK(sweep.trial.layers[1].match == "fc");
}

TEST_CASE("whatever a sweep file cannot mean is refused with its place") {
  struct Case {
    const char* text;
    const char* expected;
  };
  const Case c = GENERATE(
      Case{"[[axis]]\nkey = \"quant.weight.bits\"\nvalues = []\n", "s.toml:3:10: values = []"},
      Case{"[[axis]]\nkey = \"quant.weight.bits\"\nvalues = [4]\n[[axis]]\nkeys = "
           "[\"seed\", \"quant.weight.bits\"]\nrows = [[1, 2]]\n",
           "seeds are no axis"},
      Case{"[[axis]]\nkey = \"quant.weight.bits\"\nvalues = [4]\n[[axis]]\nname = \"m\"\n"
           "[[axis.variant]]\nname = \"a\"\nset = { \"quant.weight.bits\" = 2 }\n",
           "two axes set quant.weight.bits"},
      Case{"[[axis]]\nkeys = [\"quant.weight.bits\", \"quant.activation.bits\"]\n"
           "rows = [[4, 8], [4]]\n",
           "the row [4] has 1 values; expected 2"},
      Case{"[[axis]]\nkey = \"quant.weight.bit\"\nvalues = [4]\n", "quant.weight.bits"},
      Case{"[[axis]]\nkey = \"quant.weight.bits\"\nvalues = [4, 33]\n", "33"},
      Case{"[[axis]]\nkey = \"quant.weight.bits\"\nvalue = [4]\n",
           "s.toml:3:1: unknown key of [[axis]]"},
      Case{"[[axis]]\nvalues = [4]\n", "found none"},
      Case{"[[axis]]\nname = \"m\"\n", "found none"},
      Case{"[[axis]]\nname = \"top1\"\nkey = \"quant.weight.bits\"\nvalues = [4]\n",
           "every result has that already"},
      Case{"[[axis]]\nkey = \"quant.weight.bits\"\nvalues = [4]\nwhen = 'modle.name == 4'\n",
           "model.name"},
      Case{"[[exclude]]\nif = 'quant.weight.bits == 4'\n", "[[exclude]] has no reason"},
      Case{"[[exclude]]\nreason = \"r\"\n", "[[exclude]] has no if"},
      Case{"[[include]]\nname = \"a\"\n[[include]]\nname = \"a\"\n", "another point has this name"},
      Case{"[seeds]\nvalues = [1, 1]\n", "a seed stands there twice"},
      Case{"[seeds]\nvalues = [-1]\n", "-1"}, Case{"[seeds]\nvalue = [1]\n", "values"},
      Case{"[trial]\n[quant]\nscheme = \"aciq\"\n", "'quant' stands under [trial] in a sweep"},
      Case{"[trial]\n[[axes]]\nkey = 4\n", "did you mean 'axis'"},
      Case{"[search]\ntrials = 20\n", "[search] is not available in this version"},
      Case{"[trial]\n[prune]\nmetric = \"top1\"\n", "[prune] is not available in this version"},
      Case{"schema = 2\n[trial]\n", "schema = 2"},
      Case{"name = \"a/b\"\n[trial]\n", "name = \"a/b\" is not allowed"},
      Case{"base = \"none.toml\"\n[trial]\n", "there is no file"},
      Case{"[trial]\n[[stage]]\nname = \"fp32\"\nbase = \"none.toml\"\n", "there is no file"},
      Case{"[trial]\n[[layer]]\nmatch = \"conv(\"\nweight.bits = 8\n",
           "no valid regular expression"},
      Case{"[trial]\n[[paper]]\nid = \"a\"\nmetric = \"top1\"\nvalue_percent = 73.8\n",
           "[[paper]] has no tolerance_percent"},
      Case{"[trial]\n[[paper]]\nid = \"a\"\nmetric = \"top1\"\n", "has no value_percent"},
      Case{"[trial]\n[[paper]]\nid = \"a\"\nmetric = \"top1\"\nvalue = 1\ntolerance = 0\nwher = "
           "'true'\n",
           "did you mean 'where'"},
      Case{"[trial]\n[[table]]\ntitle = \"t\"\n", "[[table]] has no rows"});
  const Files files;
  CAPTURE(c.text);
  const std::string error = error_of(files, c.text);
  CHECK_THAT(error, ContainsSubstring(c.expected));
  CHECK_THAT(error, ContainsSubstring("s.toml"));
}

TEST_CASE("a claim keeps its value as a fraction and its source as written") {
  const Files files;
  const SweepFile sweep = files.load(R"(
[[axis]]
name = "method"
[[axis.variant]]
name = "all"
[[paper]]
id = "004.main"
where = 'method == "all"'
metric = "top1"
value_percent = 73.8
tolerance_percent = 0.5
requires = 'data.name == "imagenet" and images == 50000'
document = "004"
note = "printed"
config = { bits = 4 }
[[paper]]
id = "count"
metric = "parameters"
value = 203626
tolerance = 0
[[paper]]
id = "never"
metric = "top1"
grade = "never-run"
)");
  REQUIRE(sweep.claims.size() == 3);
  CHECK(sweep.claims[0].percent);
  CHECK(*sweep.claims[0].value == 73.8 / 100);
  CHECK(sweep.claims[0].tolerance == 0.5 / 100);
  CHECK(sweep.claims[0].details["document"] == "004");
  CHECK(sweep.claims[0].details["config"]["bits"] == 4);
  CHECK(*sweep.claims[1].value == 203626);
  CHECK_FALSE(sweep.claims[2].value.has_value());
}

TEST_CASE("tables name rows and columns as one text or a list") {
  const Files files;
  const SweepFile sweep = files.load(R"(
[trial]
[[table]]
title = "T"
rows = ["model.name", "quant.weight.bits"]
columns = "quant.activation.bits"
)");
  REQUIRE(sweep.tables.size() == 1);
  CHECK(sweep.tables[0].rows == std::vector<std::string>{"model.name", "quant.weight.bits"});
  CHECK(sweep.tables[0].columns == std::vector<std::string>{"quant.activation.bits"});
  CHECK(sweep.tables[0].metric == "top1");
}

TEST_CASE("the budget and a stage's own recipe are read") {
  const Files files;
  files.write("fp32.toml", "kind = \"train\"\n[train]\nepochs = 10\n");
  const SweepFile sweep = files.load(R"(
[trial]
[[stage]]
name = "fp32"
base = "fp32.toml"
set = { train.epochs = 2 }
[budget]
trial_timeout = "2h"
keep_checkpoints = { last = 2 }
)");
  REQUIRE(sweep.stages.size() == 1);
  CHECK(sweep.stages[0].settings.get("train.epochs") == config::Value(2));
  CHECK(sweep.trial.get("budget.trial_timeout") == config::Value("2h"));
  CHECK(sweep.trial.get("budget.keep_checkpoints.last") == config::Value(2));
}

}  // namespace
}  // namespace bitsweep::sweep
