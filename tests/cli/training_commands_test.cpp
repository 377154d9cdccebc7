// run, repro, show and gc over trainings whose worker only pretends (tests/run/fake_worker.cpp):
// what the commands make of its events and files, in milliseconds.
#include <signal.h>
#include <sys/wait.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
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

constexpr const char* kRecipe =
    "schema = 1\nkind = \"train\"\nmodel = { name = \"toynet\" }\n"
    "data = { name = \"cifar10_small\" }\n"
    "train = { epochs = 4, batch_size = 100, lr = 0.1 }\n";
constexpr const char* kStages =
    "schema = 1\nname = \"staged\"\n[trial]\nkind = \"ptq\"\n"
    "model = { name = \"toynet\", weights = \"stage:fp32\" }\n"
    "data = { name = \"cifar10_small\" }\nquant.scheme = \"aciq\"\n"
    "[[axis]]\nkey = \"quant.weight.bits\"\nvalues = [8, 4]\n"
    "[[stage]]\nname = \"fp32\"\nbase = \"recipe.toml\"\n";

// The commands that this scope runs start the pretending worker.
class Pretend {
 public:
  explicit Pretend(const char* act) {
    ::setenv("BITSWEEP_WORKER", FAKE_WORKER, 1);
    ::setenv("FAKE_WORKER_ACT", act, 1);
  }
  ~Pretend() {
    ::unsetenv("BITSWEEP_WORKER");
    ::unsetenv("FAKE_WORKER_ACT");
  }
};

// Whether some attempt's events hold `text`, within ten seconds.
bool wait_for_event(const fs::path& folder, const std::string& text) {
  for (int i = 0; i < 1000; ++i) {
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

int exit_code_after(const fs::path& folder, int signal, const std::string& event) {
  const pid_t run = start_bitsweep({"run", "recipe.toml", "-j", "1"}, folder);
  const bool came = wait_for_event(folder, event);
  ::kill(run, signal);
  int status = 0;
  ::waitpid(run, &status, 0);
  REQUIRE(came);
  REQUIRE(WIFEXITED(status));
  return WEXITSTATUS(status);
}

json rows(const std::vector<std::string>& arguments, const fs::path& folder) {
  const Outcome outcome = run_bitsweep(arguments, folder);
  INFO(outcome.err);
  REQUIRE(outcome.exit_code == 0);
  return json::parse(outcome.out).at("rows");
}

}  // namespace

TEST_CASE("SIGTERM in a training exits 75, SIGINT 130, and both go on when run again", "[cli]") {
  const Pretend pretend("train");
  for (const auto& [signal, code] : {std::pair(SIGTERM, 75), std::pair(SIGINT, 130)}) {
    const TemporaryFolder folder;
    folder.write("recipe.toml", kRecipe);
    CHECK(exit_code_after(folder.path(), signal, "\"done\":7,") == code);
    CHECK(rows({"ls", "--json"}, folder.path()).at(0).at("status") == "preempted");
    const Outcome again = run_bitsweep({"run", "recipe.toml"}, folder.path());
    INFO(again.err);
    CHECK(again.exit_code == 0);
    CHECK(again.err.find("ok=1 failed=0") != std::string::npos);
    const std::string key = rows({"ls", "--json"}, folder.path()).at(0).at("key");
    const json shown = rows({"show", key, "--json"}, folder.path()).at(0);
    CHECK(shown.at("epochs").size() == 4);
    CHECK(shown.at("attempts").at(1).contains("resumed_from"));
  }
}

TEST_CASE("tensorboard writes an event file for each attempt, by trial or by sweep", "[cli]") {
  const Pretend pretend("train");
  const TemporaryFolder folder;
  folder.write("recipe.toml", kRecipe);
  REQUIRE(exit_code_after(folder.path(), SIGTERM, "\"done\":7,") == 75);
  REQUIRE(run_bitsweep({"run", "recipe.toml"}, folder.path()).exit_code == 0);
  const std::string key = rows({"ls", "--json"}, folder.path()).at(0).at("key");
  for (const std::string& id : {key, std::string("recipe")}) {
    const Outcome outcome = run_bitsweep({"tensorboard", id, "-o", "events"}, folder.path());
    INFO(outcome.err);
    REQUIRE(outcome.exit_code == 0);
    std::istringstream lines(outcome.out);
    int files = 0;
    for (std::string line; std::getline(lines, line); ++files) {
      std::ifstream file(folder.path() / line, std::ios::binary);
      const std::string bytes((std::istreambuf_iterator<char>(file)), {});
      CHECK(bytes.find("brain.Event:2") != std::string::npos);
      CHECK(bytes.find("train.loss") != std::string::npos);
    }
    CHECK(files == 2);
  }
  const Outcome unknown = run_bitsweep({"tensorboard", "no-such-trial"}, folder.path());
  CHECK(unknown.exit_code == 2);
  CHECK(unknown.err.find("no-such-trial") != std::string::npos);
}

TEST_CASE("SIGTERM where nothing can go on from a checkpoint exits 143", "[cli]") {
  const Pretend pretend("hang");
  const TemporaryFolder folder;
  folder.write("recipe.toml", kRecipe);
  CHECK(exit_code_after(folder.path(), SIGTERM, "started") == 143);
}

TEST_CASE("status tells epoch and time left of a training that runs, within 80 columns", "[cli]") {
  const Pretend pretend("train");
  const TemporaryFolder folder;
  folder.write("recipe.toml", kRecipe);
  const pid_t run = start_bitsweep({"run", "recipe.toml", "-j", "1"}, folder.path());
  const bool came = wait_for_event(folder.path(), "\"done\":7,");
  const Outcome text = run_bitsweep({"status"}, folder.path());
  const json status = rows({"status", "--json"}, folder.path()).at(0);
  ::kill(run, SIGTERM);
  int ended = 0;
  ::waitpid(run, &ended, 0);
  REQUIRE(came);
  const json running = status.at("running").at(0);
  CHECK(running.at("phase").get<std::string>().find("/4") != std::string::npos);
  CHECK(running.at("fraction") >= 7.0 / 20);
  CHECK(status.at("remaining_seconds").is_number());
  CHECK(text.out.find("epoch ") != std::string::npos);
  CHECK(text.out.find("ETA ") != std::string::npos);
  for (std::size_t at = 0, end = 0; at < text.out.size(); at = end + 1) {
    end = text.out.find('\n', at);
    REQUIRE(end != std::string::npos);
    CHECK(end - at <= 80);
  }
}

TEST_CASE("--force starts a training over", "[cli]") {
  const Pretend pretend("train");
  const TemporaryFolder folder;
  folder.write("recipe.toml", kRecipe);
  REQUIRE(exit_code_after(folder.path(), SIGTERM, "\"done\":7,") == 75);
  CHECK(run_bitsweep({"run", "recipe.toml", "--force"}, folder.path()).exit_code == 0);
  const std::string key = rows({"ls", "--json"}, folder.path()).at(0).at("key");
  const json shown = rows({"show", key, "--json"}, folder.path()).at(0);
  CHECK_FALSE(shown.at("attempts").at(1).contains("resumed_from"));
}

TEST_CASE("a stage runs first, and trials that need a failed one are skipped with the reason",
          "[cli]") {
  const TemporaryFolder folder;
  folder.write("recipe.toml", kRecipe);
  folder.write("staged.toml", kStages);
  const Outcome plan = run_bitsweep({"plan", "staged.toml"}, folder.path());
  CHECK(plan.out.find("after staged/stage:fp32") != std::string::npos);
  {
    const Pretend pretend("data");
    const Outcome failed = run_bitsweep({"run", "staged.toml"}, folder.path());
    CHECK(failed.exit_code == 1);
    CHECK(failed.err.find("ok=0 failed=1 skipped=2 cached=0") != std::string::npos);
    CHECK(failed.err.find("starts from the weights of staged/stage:fp32, which failed: data: "
                          "weights are gone") != std::string::npos);
  }
  const Pretend pretend("train");
  const Outcome good = run_bitsweep({"run", "staged.toml", "--rerun-failed"}, folder.path());
  INFO(good.err);
  CHECK(good.exit_code == 0);
  CHECK(good.err.find("ok=3 failed=0 skipped=0") != std::string::npos);
}

TEST_CASE("repro --epochs compares the first epochs, from the database or a report alone",
          "[cli]") {
  const Pretend pretend("train");
  const TemporaryFolder folder;
  folder.write("recipe.toml", kRecipe);
  REQUIRE(run_bitsweep({"run", "recipe.toml"}, folder.path()).exit_code == 0);
  REQUIRE(run_bitsweep({"report", "recipe", "-o", "rep"}, folder.path()).exit_code == 0);
  const std::string key = rows({"ls", "--json"}, folder.path()).at(0).at("key");
  const Outcome beyond = run_bitsweep({"repro", key, "--epochs", "5"}, folder.path());
  CHECK(beyond.exit_code == 2);
  CHECK(beyond.err.find("has 4 epochs") != std::string::npos);
  fs::remove_all(folder.path() / "results");

  const Outcome same = run_bitsweep({"repro", "rep#c1", "--epochs", "2"}, folder.path());
  INFO(same.err);
  CHECK(same.exit_code == 0);
  CHECK(same.out.find("the same in state, losses and accuracies after each of 2 epochs, on the "
                      "same numeric fingerprint") != std::string::npos);

  // A recorded second epoch that ended otherwise.
  const fs::path lines = folder.path() / "rep" / "trials.jsonl";
  json line = json::parse(std::ifstream(lines));
  line["attempts"][0]["epochs"][1]["state_sha256"] = "0000";
  std::ofstream(lines) << line.dump() << "\n";
  CHECK(run_bitsweep({"repro", "rep#c1", "--epochs", "1"}, folder.path()).exit_code == 0);
  const Outcome other = run_bitsweep({"repro", "rep#c1", "--epochs", "3"}, folder.path());
  CHECK(other.exit_code == 1);
  CHECK(other.out.find("epoch 2 of 3 is the first that differs:\n  state_sha256: \"0000\"") !=
        std::string::npos);
  const Outcome document = run_bitsweep({"repro", "rep#c1", "--json"}, folder.path());
  CHECK(json::parse(document.out).at("first_different_epoch") == 2);
}

TEST_CASE("gc --checkpoints removes those of trainings that are done", "[cli]") {
  const Pretend pretend("train");
  const TemporaryFolder folder;
  folder.write("recipe.toml", kRecipe);
  REQUIRE(run_bitsweep({"run", "recipe.toml"}, folder.path()).exit_code == 0);
  const Outcome listed = run_bitsweep({"gc", "--checkpoints"}, folder.path());
  CHECK(listed.err.find("0 attempts, 4 checkpoints") != std::string::npos);
  CHECK(run_bitsweep({"gc", "--checkpoints", "--delete"}, folder.path()).exit_code == 0);
  CHECK(run_bitsweep({"gc", "--checkpoints"}, folder.path()).err.find("0 checkpoints") !=
        std::string::npos);
  CHECK(run_bitsweep({"db", "verify"}, folder.path()).exit_code == 0);
}
