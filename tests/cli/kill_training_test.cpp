// A training that is stopped or killed and run again ends as one that was not, bit for bit: the
// whole way through the programs. (tests/train has every step and precision.)
#include <signal.h>
#include <sys/wait.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "program.h"

using bitsweep::test::Outcome;
using bitsweep::test::run_bitsweep;
using bitsweep::test::start_bitsweep;
using bitsweep::test::TemporaryFolder;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

// Two epochs of 16 steps.
constexpr const char* kRecipe =
    "schema = 1\nkind = \"train\"\nmodel = { name = \"toynet\" }\n"
    "data = { name = \"cifar10_small\", train_images = 256, test_images = 100 }\n"
    "train = { epochs = 2, batch_size = 16, lr = 0.05, log_every = 1 }\n";

// Sets BITSWEEP_TEST_FAULT (src/worker/faults.h) for the workers of this scope.
class Fault {
 public:
  explicit Fault(const char* text) { ::setenv("BITSWEEP_TEST_FAULT", text, 1); }
  ~Fault() { ::unsetenv("BITSWEEP_TEST_FAULT"); }
};

bool wait_for_event(const fs::path& folder, const std::string& text) {
  for (int i = 0; i < 6000; ++i) {
    std::error_code none_yet;
    for (const auto& entry : fs::recursive_directory_iterator(folder / "results", none_yet)) {
      if (entry.path().filename() != "events.jsonl") continue;
      std::ifstream file(entry.path());
      const std::string events((std::istreambuf_iterator<char>(file)), {});
      if (events.find(text) != std::string::npos) return true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

// The trial's row with its attempts.
json show(const fs::path& folder) {
  const Outcome list = run_bitsweep({"ls", "--json"}, folder);
  REQUIRE(list.exit_code == 0);
  const std::string key = json::parse(list.out).at("rows").at(0).at("key");
  const Outcome shown = run_bitsweep({"show", key, "--json"}, folder);
  REQUIRE(shown.exit_code == 0);
  return json::parse(shown.out).at("rows").at(0);
}

// What must not depend on interruptions: of the successful attempt.
json essence(const json& row) {
  const json& attempt = row.at("attempts").back();
  REQUIRE(attempt.at("status") == "ok");
  json weights;
  for (const json& artifact : attempt.at("artifacts")) {
    if (artifact.at("name") == "weights") weights = artifact;
  }
  return {{"key", row.at("key")},
          {"state", attempt.at("state_sha256")},
          {"epochs", attempt.at("epochs")},
          {"weights", weights.at("sha256")},
          {"bitmap", attempt.at("bitmaps").at("top1")},
          {"loss", row.at("loss")},
          {"train_loss", row.at("train_loss")},
          {"steps", row.at("steps")}};
}

}  // namespace

TEST_CASE("a training that was stopped or killed ends with the state of one that was not",
          "[cli]") {
  const TemporaryFolder quiet;
  quiet.write("recipe.toml", kRecipe);
  REQUIRE(run_bitsweep({"run", "recipe.toml"}, quiet.path()).exit_code == 0);
  const json expected = essence(show(quiet.path()));
  REQUIRE(expected.at("epochs").size() == 2);
  CHECK(expected.at("steps") == 32);

  {
    INFO("SIGTERM in the middle of the second epoch");
    const TemporaryFolder folder;
    folder.write("recipe.toml", kRecipe);
    {
      const Fault wait("wait@train:20");
      const pid_t run = start_bitsweep({"run", "recipe.toml"}, folder.path());
      const bool first_epoch_over = wait_for_event(folder.path(), "\"epoch\":1.0");
      ::kill(run, SIGTERM);
      int status = 0;
      ::waitpid(run, &status, 0);
      REQUIRE(first_epoch_over);
      REQUIRE(WIFEXITED(status));
      CHECK(WEXITSTATUS(status) == 75);
    }
    CHECK(show(folder.path()).at("status") == "preempted");
    const Outcome again = run_bitsweep({"run", "recipe.toml"}, folder.path());
    INFO(again.err);
    CHECK(again.exit_code == 0);
    const json row = show(folder.path());
    CHECK(row.at("attempts")
              .at(1)
              .at("resumed_from")
              .get<std::string>()
              .starts_with("1/checkpoints/"));
    CHECK(essence(row) == expected);
  }

  {
    INFO("kill -9 of the worker");
    const TemporaryFolder folder;
    folder.write("recipe.toml", kRecipe);
    {
      const Fault kill("kill@train:20");
      CHECK(run_bitsweep({"run", "recipe.toml", "--retries", "0"}, folder.path()).exit_code == 1);
    }
    CHECK(show(folder.path()).at("failure_class") == "crash(SIGKILL)");
    CHECK(run_bitsweep({"run", "recipe.toml"}, folder.path()).exit_code == 0);
    const json row = show(folder.path());
    CHECK(row.at("attempts").at(1).at("resumed_from") == "1/checkpoints/00000016.safetensors");
    CHECK(essence(row) == expected);
    CHECK(run_bitsweep({"db", "verify"}, folder.path()).exit_code == 0);
  }

  {
    INFO("repro of the first epoch, from the report alone");
    REQUIRE(run_bitsweep({"report", "recipe", "-o", "rep"}, quiet.path()).exit_code == 0);
    fs::remove_all(quiet.path() / "results");
    const Outcome repro = run_bitsweep({"repro", "rep#c1", "--epochs", "1"}, quiet.path());
    INFO(repro.err);
    CHECK(repro.exit_code == 0);
    CHECK(repro.out.find("the same in state, losses and accuracies after each of 1 epoch") !=
          std::string::npos);
  }
}
