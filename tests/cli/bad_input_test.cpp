// Bad input gets one sentence with place and remedy, the right exit code, and leaves nothing behind.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "program.h"

using bitsweep::test::run_bitsweep;
using bitsweep::test::Outcome;
using bitsweep::test::TemporaryFolder;

namespace {

constexpr const char* kRecipe =
    "kind = \"ptq\"\n"
    "model = { name = \"resnet20\", shortcut = \"A\", weights = \"w.safetensors\" }\n"
    "data = { name = \"cifar10_small\" }\n"
    "quant.scheme = \"aciq\"\n";

struct BadLine {
  std::string line;                   // added to the recipe
  std::vector<std::string> fragments; // all must be in the sentence
};

// One sentence: one line, said by bitsweep, no library's abort.
void check_one_sentence(const Outcome& outcome) {
  INFO(outcome.err);
  CHECK(outcome.err.rfind("bitsweep: ", 0) == 0);
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  CHECK(outcome.err.find("terminate") == std::string::npos);
}

bool only_contains(const TemporaryFolder& folder, const std::vector<std::string>& names) {
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    if (std::find(names.begin(), names.end(), entry.path().filename()) == names.end()) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("a fault in a sweep file is one sentence with file, line and column, and exit 2", "[cli]") {
  const std::vector<BadLine> lines = {
      {"quant.weight.bit = 4", {"r.toml:5:", "'quant.weight.bit'", "quant.weight.bits"}},
      {"quant.weight.bits = 0", {"r.toml:5:", "quant.weight.bits", "0", "1 to 16"}},
      {"quant.weight.bits = -3", {"r.toml:5:", "-3"}},
      {"quant.weight.bits = 33", {"r.toml:5:", "33"}},
      {"quant.weight.bits = 4.5", {"r.toml:5:", "4.5"}},
      {"quant.weight.bits = \"four\"", {"r.toml:5:", "four"}},
      {"quant.weight.bits = true", {"r.toml:5:", "true"}},
      {"quant.weight.bits = nan", {"r.toml:5:", "nan"}},
      {"quant.weight.bits = inf", {"r.toml:5:", "inf"}},
      {"quant.weight.bits = 9223372036854775808", {"r.toml:5:"}},
      {"quant.weight.granularity = \"NXZ\"", {"r.toml:5:", "NXZ", "channel"}},
      {"quant.activation.clipping = \"exp\"", {"r.toml:5:", "exp", "none"}},
      {"model.name = \"resnet21\"", {"r.toml:5:"}},
      {"[quant]\nscheme = \"aciq\"", {"r.toml:5:"}},
      {"eval.batch_size = 0", {"r.toml:5:", "eval.batch_size", "0"}},
      {"[[layer]]\nmatch = \"nothing_like_this\"\nweight.bits = 8", {"nothing_like_this"}},
      {"[[layer]]\nmatch = \"conv(\"\nweight.bits = 8", {"conv("}},
      {"quant.calibration.images = 0", {"r.toml:5:", "0"}},
      {"this is no TOML", {"r.toml:5:"}},
  };
  for (const BadLine& bad : lines) {
    const TemporaryFolder folder;
    folder.write("r.toml", std::string(kRecipe) + bad.line + "\n");
    for (const char* command : {"plan", "run"}) {
      INFO(command << ": " << bad.line);
      const Outcome outcome = run_bitsweep({command, "r.toml"}, folder.path());
      CHECK(outcome.exit_code == 2);
      check_one_sentence(outcome);
      for (const std::string& fragment : bad.fragments) {
        CHECK(outcome.err.find(fragment) != std::string::npos);
      }
      CHECK(outcome.out.empty());
      CHECK(only_contains(folder, {"r.toml"}));
    }
  }
}

TEST_CASE("an unknown network, data set or scheme names the nearest", "[cli]") {
  const TemporaryFolder folder;
  folder.write("r.toml",
               "kind = \"ptq\"\nmodel.name = \"resnet21\"\ndata.name = \"cifar10\"\nquant.scheme = \"none\"\n");
  const Outcome outcome = run_bitsweep({"plan", "r.toml"}, folder.path());
  CHECK(outcome.exit_code == 2);
  check_one_sentence(outcome);
  CHECK(outcome.err.find("r.toml:2:") != std::string::npos);
  CHECK(outcome.err.find("did you mean 'resnet20'?") != std::string::npos);
}

TEST_CASE("missing weights are a need for plan and exit 5 for run", "[cli]") {
  const TemporaryFolder folder;
  folder.write("r.toml", kRecipe);
  const Outcome plan = run_bitsweep({"plan", "r.toml"}, folder.path());
  CHECK(plan.exit_code == 0);
  CHECK((plan.out + plan.err).find("needs") != std::string::npos);
  CHECK((plan.out + plan.err).find("w.safetensors") != std::string::npos);
  const Outcome run = run_bitsweep({"run", "r.toml"}, folder.path());
  CHECK(run.exit_code == 5);
  CHECK(run.err.find("w.safetensors") != std::string::npos);
  CHECK(only_contains(folder, {"r.toml"}));
}

TEST_CASE("asking for CUDA where there is none is exit 5 before anything is written", "[cli]") {
  if (std::filesystem::exists("/dev/nvidia0")) SKIP("this machine has a CUDA device");
  const TemporaryFolder folder;
  folder.write("r.toml", "kind = \"ptq\"\nmodel.name = \"resnet20\"\nmodel.weights = \"" RESNET20_WEIGHTS
                         "\"\ndata.name = \"cifar10_small\"\nquant.scheme = \"none\"\n");
  const Outcome outcome = run_bitsweep({"run", "r.toml", "--device", "cuda"}, folder.path());
  CHECK(outcome.exit_code == 5);
  check_one_sentence(outcome);
  CHECK(only_contains(folder, {"r.toml"}));
}

TEST_CASE("a database that is none, or of a newer schema, is exit 4", "[cli]") {
  const TemporaryFolder folder;
  folder.write("r.db", "this is not a database, whatever its name says, and it is long enough to look");
  const Outcome outcome = run_bitsweep({"ls", "--db", "r.db"}, folder.path());
  CHECK(outcome.exit_code == 4);
  check_one_sentence(outcome);
}

TEST_CASE("usage errors are exit 2 and name the nearest word", "[cli]") {
  const TemporaryFolder folder;
  const Outcome command = run_bitsweep({"pln"}, folder.path());
  CHECK(command.exit_code == 2);
  CHECK(command.err.find("did you mean 'plan'?") != std::string::npos);
  const Outcome option = run_bitsweep({"plan", "--layer", "x.toml"}, folder.path());
  CHECK(option.exit_code == 2);
  CHECK(option.err.find("--layers") != std::string::npos);
  const Outcome missing = run_bitsweep({"plan", "no_such.toml"}, folder.path());
  CHECK(missing.exit_code == 2);
  check_one_sentence(missing);
}
