#include "run/supervisor.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "core/file.h"
#include "core/hash.h"
#include "store/care.h"
#include "store/checkpoints.h"
#include "store/store.h"

using namespace bitsweep;

namespace {

// A database in a folder of its own, with one trial for each act.
class Bench {
 public:
  // evaluation: Task::evaluation of all tasks.
  explicit Bench(const std::vector<std::string>& acts, const std::string& evaluation = "") {
    std::string pattern = (std::filesystem::temp_directory_path() / "bitsweep-run-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder_ = pattern;
    std::vector<store::TrialRecord> trials;
    for (std::size_t i = 0; i < acts.size(); ++i) {
      store::TrialRecord trial;
      trial.canonical = "{\"i\":" + std::to_string(i) + ",\"act\":\"" + acts[i] + "\"}";
      trial.key = sha256_hex(trial.canonical);
      trial.config = {{"test.act", acts[i]}};
      if (acts[i] == "train") trial.config["kind"] = "train";
      store::Membership membership;
      membership.sweep = "s";
      membership.name = "s/act=" + acts[i] + std::to_string(i);
      membership.group = membership.name;
      membership.ordinal = static_cast<std::int64_t>(i);
      trial.memberships.push_back(membership);
      run::Task task;
      task.key = trial.key;
      task.name = membership.name;
      task.settings = trial.config;
      task.paths = nlohmann::json::object();
      task.evaluation = evaluation;
      tasks.push_back(task);
      trials.push_back(std::move(trial));
    }
    auto store = open();
    store.put_sweep({"s", "text", sha256_hex("text"), nlohmann::json::object(), {}}, trials);
  }
  ~Bench() { std::filesystem::remove_all(folder_); }

  store::Store open() const { return store::Store::open(folder_ / "r.db", store::Access::write); }

  run::RunSummary run(int slots = 1, bool fail_fast = false) {
    auto store = open();
    run::Progress progress;
    run::SupervisorOptions options;
    options.worker_program = FAKE_WORKER;
    options.environment = nlohmann::json::object();
    options.slots.resize(static_cast<std::size_t>(slots));
    options.fail_fast = fail_fast;
    options.share = share;
    return run::supervise(tasks, options, store, progress);
  }

  store::TrialState state(std::size_t task) const {
    return open().state_of(std::span(&tasks[task].key, 1)).front();
  }

  std::filesystem::path runs() const { return folder_ / "runs"; }
  std::vector<store::AttemptRecord> attempts(std::size_t task) const {
    return open().attempts(tasks[task].key);
  }
  // Waits until an event of that kind has come from the task's attempt.
  void wait_for_event(std::size_t task, std::int64_t attempt, const std::string& text) const {
    const auto file = runs() / tasks[task].key / std::to_string(attempt) / "events.jsonl";
    for (int i = 0; i < 1000; ++i) {
      if (std::filesystem::exists(file) && read_text_file(file).find(text) != std::string::npos) {
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    FAIL("no " << text << " in " << file);
  }

  std::vector<run::Task> tasks;
  bool share = true;

 private:
  std::filesystem::path folder_;
};

}  // namespace

TEST_CASE("supervise runs every task once, on any number of slots", "[run]") {
  for (const int slots : {1, 3}) {
    Bench bench({"ok", "ok", "ok", "ok", "ok"});
    const auto summary = bench.run(slots);
    CHECK(summary.ok == 5);
    CHECK(summary.failed == 0);
    for (std::size_t i = 0; i < 5; ++i) {
      CHECK(bench.state(i).status == store::Status::ok);
      CHECK(bench.state(i).attempts == 1);
    }
  }
}

TEST_CASE("a worker that dies costs one attempt of one trial", "[run]") {
  Bench bench({"ok", "crash_once", "kill_once", "ok"});
  const auto summary = bench.run();
  CHECK(summary.ok == 4);
  CHECK(summary.failed == 0);
  CHECK(bench.state(0).attempts == 1);
  CHECK(bench.state(1).attempts == 2);
  CHECK(bench.state(2).attempts == 2);
  CHECK(bench.state(3).attempts == 1);
}

TEST_CASE("a trial that always crashes is recorded with its signal, and its neighbours run",
          "[run]") {
  Bench bench({"crash", "ok"});
  const auto summary = bench.run();
  CHECK(summary.ok == 1);
  CHECK(summary.failed == 1);
  CHECK(bench.state(0).status == store::Status::failed);
  CHECK(bench.state(0).failure_class == "crash(SIGSEGV)");
  CHECK(bench.state(0).attempts == 2);  // the first and one retry
}

TEST_CASE("a worker that exits is a crash that carries its last words", "[run]") {
  Bench bench({"exit"});
  bench.tasks[0].retries = 0;
  const auto summary = bench.run();
  REQUIRE(summary.failures.size() == 1);
  CHECK(bench.state(0).failure_class == "crash");
  CHECK(bench.state(0).message.find("a last word") != std::string::npos);
}

TEST_CASE("a fault of the data is not tried again", "[run]") {
  Bench bench({"data"});
  CHECK(bench.run().failed == 1);
  CHECK(bench.state(0).failure_class == "data");
  CHECK(bench.state(0).attempts == 1);
}

TEST_CASE("a trial longer than its timeout is ended and recorded as that", "[run]") {
  Bench bench({"hang", "ok"});
  bench.tasks[0].timeout_s = 0.3;
  const auto summary = bench.run();
  CHECK(summary.ok == 1);
  CHECK(summary.failed == 1);
  CHECK(bench.state(0).failure_class == "timeout");
}

TEST_CASE("words that are no protocol do not disturb a trial", "[run]") {
  Bench bench({"garbage"});
  CHECK(bench.run().ok == 1);
}

TEST_CASE("a worker that says done without a result has failed", "[run]") {
  Bench bench({"lies", "ok"});
  const auto summary = bench.run();
  CHECK(summary.failed == 1);
  CHECK(summary.ok == 1);
  CHECK(bench.state(0).status == store::Status::failed);
}

TEST_CASE("trials of one evaluation each have their attempt, and what they saved is told",
          "[run]") {
  Bench bench({"ok", "data", "ok", "ok"}, "one");
  const auto summary = bench.run();
  CHECK(summary.ok == 3);
  CHECK(summary.failed == 1);
  for (std::size_t i = 0; i < 4; ++i) CHECK(bench.state(i).attempts == 1);
  CHECK(bench.state(1).failure_class == "data");
  CHECK(summary.shared.trials == 4);
  CHECK(summary.shared.evaluations == 1);
  CHECK(summary.shared.nodes_alone == 40);
  CHECK(summary.shared.nodes_computed == 12);
  CHECK(summary.shared.peak_bytes == std::int64_t{2} << 30);
}

TEST_CASE("what ends a worker's evaluation of several trials is tried again by each alone",
          "[run]") {
  for (const char* act : {"crash_in_company", "oom_in_company"}) {
    Bench bench({"ok", act, "ok"}, "one");
    for (run::Task& task : bench.tasks) task.retries = 0;
    const auto summary = bench.run();
    CHECK(summary.ok == 3);
    CHECK(summary.failed == 0);
    CHECK(bench.state(0).attempts == 1);
    CHECK(bench.state(1).attempts == 2);
    CHECK(bench.state(2).attempts == (std::string(act) == "crash_in_company" ? 2 : 1));
  }
}

TEST_CASE("a trial that crashes alone as well is the only one that fails", "[run]") {
  Bench bench({"ok", "crash", "ok"}, "one");
  for (run::Task& task : bench.tasks) task.retries = 0;
  const auto summary = bench.run();
  CHECK(summary.ok == 2);
  CHECK(summary.failed == 1);
  CHECK(bench.state(1).failure_class == "crash(SIGSEGV)");
  CHECK(bench.state(1).attempts == 2);
}

TEST_CASE("trials of one evaluation have the time of all their limits together", "[run]") {
  Bench bench({"slow", "slow", "slow"}, "one");
  for (run::Task& task : bench.tasks) task.timeout_s = 0.5;  // 0.9 s of work in 1.5 s
  CHECK(bench.run().ok == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(bench.state(i).attempts == 1);

  Bench late({"ok", "hang_in_company", "ok"}, "one");
  for (run::Task& task : late.tasks) task.timeout_s = 0.3;
  const auto summary = late.run();
  CHECK(summary.ok == 3);
  CHECK(summary.failed == 0);
  CHECK(late.state(0).attempts == 1);
  CHECK(late.attempts(1).at(0).failure->failure_class == "timeout");
  CHECK(late.state(1).attempts == 2);
}

TEST_CASE("without sharing every trial has the worker for itself", "[run]") {
  Bench bench({"ok", "crash_in_company", "ok"}, "one");
  bench.share = false;
  const auto summary = bench.run();
  CHECK(summary.ok == 3);
  CHECK(summary.shared.trials == 0);
  for (std::size_t i = 0; i < 3; ++i) CHECK(bench.state(i).attempts == 1);
}

TEST_CASE("fail-fast starts nothing after the first failure", "[run]") {
  Bench bench({"data", "ok", "ok"});
  const auto summary = bench.run(1, true);
  CHECK(summary.failed == 1);
  CHECK(summary.ok == 0);
  CHECK(bench.state(2).status == store::Status::queued);
}

TEST_CASE("two supervisors never run one trial twice", "[run]") {
  Bench bench({"slow", "slow", "slow", "slow", "slow", "slow"});
  const pid_t child = ::fork();
  if (child == 0) {
    const auto summary = bench.run();
    ::_exit(summary.failed);
  }
  const auto summary = bench.run();
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK(summary.ok + summary.cached == 6);
  for (std::size_t i = 0; i < 6; ++i) CHECK(bench.state(i).attempts == 1);
}

TEST_CASE("SIGTERM leaves running trials preempted, and the next run finishes them", "[run]") {
  Bench bench({"ok", "hang", "ok"});
  const pid_t child = ::fork();
  if (child == 0) {
    const auto summary = bench.run();
    ::_exit(summary.signal == SIGTERM ? 0 : 1);
  }
  while (bench.state(1).status != store::Status::running) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ::kill(child, SIGTERM);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK(bench.state(0).status == store::Status::ok);
  CHECK(bench.state(1).status == store::Status::preempted);
  CHECK(bench.state(2).status == store::Status::queued);
}

TEST_CASE("a killed supervisor leaves no worker behind and no trial running", "[run]") {
  Bench bench({"hang"});
  const pid_t child = ::fork();
  if (child == 0) {
    bench.run();
    ::_exit(0);
  }
  while (bench.state(0).status != store::Status::running) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ::kill(child, SIGKILL);
  int status = 0;
  ::waitpid(child, &status, 0);
  // The worker holds its folder's lock while it lives.
  std::size_t resolved = 0;
  for (int i = 0; i < 100 && resolved == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    resolved = bench.open().reconcile().resolved.size();
  }
  CHECK(resolved == 1);
  CHECK(bench.state(0).status == store::Status::preempted);
}

namespace {

// Runs `bench` in a child and sends it `signal` once its first training has come to step 7. Returns
// the child's RunSummary::resumable, or −1 where the signal was not noticed.
int run_and_signal(Bench& bench, int signal) {
  const pid_t child = ::fork();
  if (child == 0) {
    try {
      const auto summary = bench.run();
      ::_exit(summary.signal == signal ? summary.resumable : 100);
    } catch (const std::exception&) {
      ::_exit(101);  // never on into the other tests
    }
  }
  bench.wait_for_event(0, 1, "\"done\":7,");
  ::kill(child, signal);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) < 100 ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a signal lets a training write its checkpoint, and the next run goes on from it",
          "[run]") {
  for (const int signal : {SIGTERM, SIGINT}) {
    Bench bench({"train", "train"});
    CHECK(run_and_signal(bench, signal) == 1);
    REQUIRE(bench.state(0).status == store::Status::preempted);
    CHECK(bench.state(0).message.find("checkpoint at step") != std::string::npos);
    CHECK(bench.state(1).status == store::Status::queued);
    const auto checkpoints = store::resumable_checkpoints(bench.runs(), bench.tasks[0].key);
    REQUIRE(checkpoints.size() == 2);  // of the first epoch, and of the signal
    CHECK(checkpoints[0].step >= 7);
    CHECK(checkpoints[1].step == 5);

    CHECK(bench.run().ok == 2);
    const auto attempts = bench.attempts(0);
    REQUIRE(attempts.size() == 2);
    CHECK(attempts[1].resumed_from == "1/checkpoints/" + checkpoints[0].path.filename().string());
    CHECK(attempts[1].epochs.size() == 4);
    CHECK(attempts[1].state_sha256 == bench.attempts(1)[0].state_sha256);
    // What it went on from is no longer needed.
    CHECK(store::checkpoints_in(bench.runs() / bench.tasks[0].key / "1").empty());
    CHECK(store::checkpoints_in(bench.runs() / bench.tasks[0].key / "2").size() >= 2);
  }
}

TEST_CASE("a training whose worker was killed is tried again from its last checkpoint", "[run]") {
  Bench bench({"train"});
  bench.tasks[0].settings["test.kill_at"] = 13;
  CHECK(bench.run().ok == 1);
  const auto attempts = bench.attempts(0);
  REQUIRE(attempts.size() == 2);
  CHECK(attempts[0].failure->failure_class == "crash(SIGKILL)");
  CHECK(attempts[1].resumed_from == "1/checkpoints/10.safetensors");
}

TEST_CASE("a training that must not resume starts over", "[run]") {
  Bench bench({"train"});
  bench.tasks[0].settings["test.kill_at"] = 13;
  bench.tasks[0].resume = false;
  CHECK(bench.run().ok == 1);
  CHECK(bench.attempts(0).at(1).resumed_from.empty());
}

TEST_CASE("a training ends after as many epochs as its task says", "[run]") {
  Bench bench({"train"});
  bench.tasks[0].stop_after_epochs = 2;
  CHECK(bench.run().ok == 1);
  CHECK(bench.attempts(0)[0].epochs.size() == 2);
}

TEST_CASE("series, epochs and artifacts of a training come back from its folder as they were",
          "[run]") {
  Bench bench({"train"});
  CHECK(bench.run().ok == 1);
  const auto attempt = bench.attempts(0).at(0);
  REQUIRE(attempt.series.size() == 44);  // two a step and one an epoch
  CHECK(attempt.series[0].name == "train.loss");
  CHECK(attempt.series[0].wall_s > 0);
  CHECK(attempt.series[0].wall_s == attempt.series[1].wall_s);  // of one event
  CHECK(attempt.series[10].epoch == 1.0);
  CHECK(attempt.artifacts.at(0).name == "weights");
  CHECK(std::filesystem::exists(bench.open().artifact(bench.tasks[0].key, "weights").value()));
  const std::string digest = bench.open().content_digest();
  CHECK(store::verify(bench.open()).empty());
  store::rebuild(bench.open().path(), store::MissingFolders::refuse);
  CHECK(bench.open().content_digest() == digest);
}

TEST_CASE("a trial runs after the one whose weights it takes, and is given them", "[run]") {
  for (const int slots : {1, 3}) {
    Bench bench({"needs_weights", "needs_weights", "train"});
    for (const std::size_t i : {0u, 1u}) bench.tasks[i].waits_for = bench.tasks[2].key;
    const auto summary = bench.run(slots);
    CHECK(summary.ok == 3);
    CHECK(bench.attempts(2).at(0).finished_ms <= bench.attempts(0).at(0).started_ms);
  }
}

TEST_CASE("weights of a trial that has succeeded before are taken as they are", "[run]") {
  Bench bench({"train", "needs_weights"});
  const auto both = bench.tasks;
  bench.tasks = {both[0]};
  REQUIRE(bench.run().ok == 1);
  bench.tasks = {both[1]};
  bench.tasks[0].waits_for = both[0].key;
  CHECK(bench.run().ok == 1);
}

TEST_CASE("trials that need the weights of a failed one are skipped, not run and not failed",
          "[run]") {
  Bench bench({"data", "ok", "ok", "ok"});
  bench.tasks[1].waits_for = bench.tasks[0].key;
  bench.tasks[2].waits_for = bench.tasks[1].key;
  const auto summary = bench.run();
  CHECK(summary.ok == 1);
  CHECK(summary.failed == 1);
  CHECK(summary.skipped == 2);
  CHECK(bench.state(1).status == store::Status::queued);
  CHECK(bench.state(1).attempts == 0);
}

TEST_CASE("a trial that waits for one without weights is skipped", "[run]") {
  Bench bench({"ok", "ok"});
  bench.tasks[1].waits_for = bench.tasks[0].key;
  const auto summary = bench.run();
  CHECK(summary.ok == 1);
  CHECK(summary.skipped == 1);
}
