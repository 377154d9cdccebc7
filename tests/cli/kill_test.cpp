// Work survives kill -9 of the worker and of the supervisor: the finished table is the uninterrupted
// one, and no process is left behind.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "program.h"

using bitsweep::test::run_bitsweep;
using bitsweep::test::start_bitsweep;
using bitsweep::test::TemporaryFolder;
using namespace std::chrono_literals;

namespace {

constexpr const char* kSweep =
    "schema = 1\nname = \"kill\"\n"
    "[trial]\nkind = \"ptq\"\nmodel = { name = \"resnet20\", shortcut = \"A\", weights = \"" RESNET20_WEIGHTS
    "\" }\n"
    "data = { name = \"cifar10_small\" }\nquant.scheme = \"aciq\"\nquant.calibration.images = 64\n"
    "quant.calibration.batch_size = 32\neval.batch_size = 100\n"
    "[[axis]]\nkey = \"quant.weight.bits\"\nvalues = [8, 4, 3]\n";

// Running processes whose parent is `parent`.
std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream stat(entry.path() / "stat");
    std::string text((std::istreambuf_iterator<char>(stat)), {});
    const auto paren = text.rfind(')');  // the program's name may hold spaces
    if (paren == std::string::npos || text.size() < paren + 4 || text[paren + 2] == 'Z') continue;
    if (std::atoi(text.c_str() + paren + 4) == parent) out.push_back(std::stoi(name));
  }
  return out;
}

bool is_alive(pid_t process) {
  std::ifstream stat("/proc/" + std::to_string(process) + "/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  const auto paren = text.rfind(')');
  return paren != std::string::npos && text[paren + 2] != 'Z';
}

// Whether some attempt has reported progress and has no result yet.
bool is_in_mid_trial(const std::filesystem::path& runs) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(runs, ignored)) {
    if (entry.path().filename() != "events.jsonl") continue;
    const auto folder = entry.path().parent_path();
    if (std::filesystem::exists(folder / "result.json", ignored) ||
        std::filesystem::exists(folder / "failure.json", ignored)) {
      continue;
    }
    std::ifstream file(entry.path());
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    if (text.find("\"progress\"") != std::string::npos) return true;
  }
  return false;
}

template <typename Condition>
bool wait_for(Condition condition) {
  for (int i = 0; i < 6000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

// name → what the trial found, without times.
std::map<std::string, nlohmann::json> table(const std::filesystem::path& folder) {
  const auto outcome = run_bitsweep({"query", "--format", "json"}, folder);
  REQUIRE(outcome.exit_code == 0);
  std::map<std::string, nlohmann::json> out;
  const auto document = nlohmann::json::parse(outcome.out);
  for (const auto& row : document.at("rows")) {
    out[row.at("name")] = {row.at("key"), row.at("status"), row.at("top1"), row.at("correct"),
                           row.at("images"), row.at("loss")};
  }
  return out;
}

}  // namespace

TEST_CASE("a run that was killed twice ends with the table of one that was not", "[cli]") {
  const TemporaryFolder quiet;
  quiet.write("kill.toml", kSweep);
  REQUIRE(run_bitsweep({"run", "kill.toml", "-j", "1"}, quiet.path()).exit_code == 0);

  const TemporaryFolder folder;
  folder.write("kill.toml", kSweep);
  const auto runs = folder.path() / "results" / "runs";
  const pid_t supervisor = start_bitsweep({"run", "kill.toml", "-j", "1"}, folder.path());
  REQUIRE(wait_for([&] { return is_in_mid_trial(runs); }));
  const auto first_workers = children_of(supervisor);
  REQUIRE(first_workers.size() == 1);
  ::kill(first_workers[0], SIGKILL);

  // The supervisor notices, starts another worker, and tries that trial again.
  REQUIRE(wait_for([&] { return !is_alive(first_workers[0]); }));
  std::vector<pid_t> second_workers;
  REQUIRE(wait_for([&] {
    second_workers = children_of(supervisor);
    return second_workers.size() == 1 && second_workers != first_workers && is_in_mid_trial(runs);
  }));
  ::kill(supervisor, SIGKILL);
  int status = 0;
  ::waitpid(supervisor, &status, 0);
  REQUIRE(WIFSIGNALED(status));
  CHECK(wait_for([&] { return !is_alive(second_workers[0]); }));  // no orphan

  const auto again = run_bitsweep({"run", "kill.toml", "-j", "1"}, folder.path());
  INFO(again.err);
  CHECK(again.exit_code == 0);
  CHECK(again.err.find("failed=0") != std::string::npos);
  CHECK(table(folder.path()) == table(quiet.path()));

  // And the database is only an index of the folders.
  std::filesystem::remove(folder.path() / "results" / "results.db");
  CHECK(run_bitsweep({"db", "rebuild"}, folder.path()).exit_code == 0);
  CHECK(table(folder.path()) == table(quiet.path()));
}
