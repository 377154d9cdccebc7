// `analyse` and `import-config` as a user runs them, on the images that the repository carries.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <string>

#include "core/file.h"
#include "program.h"

using bitsweep::test::Outcome;
using bitsweep::test::run_bitsweep;
using bitsweep::test::TemporaryFolder;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

// Weights of 4 bits on 50 images: a trial takes a second.
std::string recipe() {
  return std::string(
             "kind = \"ptq\"\n"
             "model = { name = \"resnet20\", weights = \"") +
         RESNET20_WEIGHTS +
         "\" }\n"
         "data = { name = \"cifar10_small\", normalize = \"imagenet\", test_images = 50 }\n"
         "quant.scheme = \"aciq\"\n"
         "quant.sites.first_weight_bits = 8\n"
         "quant.weight = { bits = 3, granularity = \"tensor\" }\n"
         "quant.activation.bits = \"none\"\n"
         "quant.calibration.images = 32\n";
}

}  // namespace

TEST_CASE("a search runs its trials once, and ends in a report folder", "[cli]") {
  const TemporaryFolder folder;
  folder.write("r.toml", recipe());
  const std::vector<std::string> search = {"analyse",      "search",   "r.toml", "--layers",
                                           "layer3\\.2.*", "--widths", "2,4",    "--budget",
                                           "3.2",          "-j",       "1"};
  const Outcome first = run_bitsweep(search, folder.path());
  INFO(first.err);
  REQUIRE(first.exit_code == 0);
  CHECK(first.out == "reports/r-search/report.md\n");
  CHECK_THAT(first.err, ContainsSubstring("decides on test images"));
  CHECK_THAT(first.err, ContainsSubstring("failed=0"));
  for (const char* file : {"report.md", "data.csv", "fig/search.png", "fig/search.svg"}) {
    CHECK(fs::file_size(folder.path() / "reports/r-search" / file) > 0);
  }
  CHECK_THAT(
      bitsweep::read_text_file(folder.path() / "reports/r-search/report.md"),
      ContainsSubstring("bitsweep analyse search r.toml --layers 'layer3\\.2.*' --widths '2,4' "
                        "--budget '3.2'`"));
  const Outcome again = run_bitsweep(search, folder.path());
  CHECK(again.exit_code == 0);
  CHECK_THAT(again.err, ContainsSubstring("ok=0 "));
  const Outcome rows = run_bitsweep({"ls", "--sweep", "r-search"}, folder.path());
  CHECK_THAT(rows.out, ContainsSubstring("layer3.2.conv1.weight=2"));
}

TEST_CASE("an analysis that cannot be is refused in one sentence, with nothing written", "[cli]") {
  const TemporaryFolder folder;
  folder.write("r.toml", recipe());
  const auto refused = [&](std::vector<std::string> arguments, const char* why) {
    arguments.insert(arguments.begin(), "analyse");
    const Outcome outcome = run_bitsweep(arguments, folder.path());
    CHECK(outcome.exit_code == 2);
    CHECK_THAT(outcome.err, ContainsSubstring(why));
  };
  refused({"sensitivty", "r.toml"}, "did you mean 'sensitivity'?");
  refused({"sensitivity", "r.toml", "--layers", "layer9"}, "unknown layer 'layer9'");
  refused({"sensitivity", "r.toml", "--tensor", "weight"}, "did you mean '--tensors'?");
  refused({"sensitivity", "r.toml", "quant.weight.bits=2,3"}, "asks for 2 trials");
  refused({"search", "r.toml", "--budget", "1.5"}, "a budget of 1.5 cannot be met");
  refused({"search", "r.toml", "--widths", "0..4"}, "'0' is no width");
  refused({"recovery", "r.toml", "--to", "2"}, "no tensor below 2 bits");
  CHECK_FALSE(fs::exists(folder.path() / "results"));
  CHECK_FALSE(fs::exists(folder.path() / "reports"));
}

TEST_CASE("what import-config writes, plan reads", "[cli]") {
  const TemporaryFolder folder;
  const Outcome imported = run_bitsweep({"import-config", "-o", "t.toml", "--", "-a", "resnet20",
                                         "-pcq_w", "--qtype", "int4", "-qw", "int4", "-s"},
                                        folder.path());
  INFO(imported.err);
  REQUIRE(imported.exit_code == 0);
  CHECK_THAT(imported.err, ContainsSubstring("-s did nothing in the simulator"));
  const Outcome plan = run_bitsweep({"plan", "t.toml", "data.name=cifar10_small"}, folder.path());
  CHECK(plan.exit_code == 0);
  CHECK_THAT(plan.out, ContainsSubstring("simulator_resnet20: 1 trials"));

  folder.write("config_train.py", "C.layer_abit = [8] * 9\nC.layer_wbit = [6] * 9\n");
  const Outcome lists =
      run_bitsweep({"import-config", "config_train.py", "-o", "l.toml"}, folder.path());
  REQUIRE(lists.exit_code == 0);
  CHECK(run_bitsweep({"plan", "l.toml"}, folder.path()).exit_code == 0);
  const Outcome unknown =
      run_bitsweep({"import-config", "--", "--qtyp", "int4", "-a", "x"}, folder.path());
  CHECK(unknown.exit_code == 2);
  CHECK_THAT(unknown.err, ContainsSubstring("did you mean '--qtype'?"));
}
