// A worker that does what the job's settings say ("test.act", else $FAKE_WORKER_ACT), for tests of
// the supervisor: the real protocol without LibTorch. Act "train" counts 20 steps, 5 to an epoch,
// and checkpoints the count.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/file.h"
#include "core/hash.h"
#include "run/parent.h"
#include "run/protocol.h"

namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr int kSteps = 20;
constexpr int kStepsPerEpoch = 5;

volatile std::sig_atomic_t g_stop = 0;

void say(const json& event) { std::cout << event.dump() << std::endl; }

void succeed(const bitsweep::run::Job& job, const json& metrics, const json& fields) {
  json result = {{"schema_version", 1},
                 {"key", job.key},
                 {"status", "ok"},
                 {"metrics", metrics},
                 {"fingerprint", {{"libtorch", "none"}}},
                 {"layers", json::array()},
                 {"seconds", 0.01},
                 {"bitmaps", json::object()},
                 {"numerics_version", {{"fake", 1}}}};
  result.update(fields);
  bitsweep::write_file_atomic(fs::path(job.attempt_folder) / "result.json", result.dump());
  say({{"event", "done"}, {"key", job.key}, {"metrics", metrics}, {"seconds", 0.01}});
}

// True the first time it is asked in this folder's parent: to fail once, then succeed.
bool first_time(const bitsweep::run::Job& job) {
  return fs::path(job.attempt_folder).filename() == "1";
}

void write_checkpoint(const fs::path& folder, int step) {
  fs::create_directories(folder / "checkpoints");
  bitsweep::write_file_atomic(folder / "checkpoints" / (std::to_string(step) + ".safetensors"),
                              std::to_string(step));
}

json epoch_record(int epoch) {
  return {{"epoch", epoch},
          {"step", epoch * kStepsPerEpoch},
          {"state_sha256", bitsweep::sha256_hex("epoch " + std::to_string(epoch))},
          {"lr", 0.1},
          {"train_loss", 1.0 / epoch},
          {"train_top1", 0.5},
          {"split", "test"},
          {"top1", 0.5 + 0.01 * epoch},
          {"loss", 1.0}};
}

// False where a signal stopped it.
bool train(const bitsweep::run::Job& job) {
  const fs::path folder = job.attempt_folder;
  ::signal(SIGTERM, [](int) { g_stop = 1; });
  ::signal(SIGINT, [](int) { g_stop = 1; });
  json fields = {{"epochs", json::array()}};
  int step = 0;
  if (!job.resume.empty()) {
    step = std::stoi(bitsweep::read_text_file(job.resume.front()));
    fields["resumed_from"] =
        fs::relative(job.resume.front(), folder.parent_path()).generic_string();
  }
  const int last =
      job.stop_after_epochs ? static_cast<int>(*job.stop_after_epochs) * kStepsPerEpoch : kSteps;
  while (step < last) {
    if (job.settings.value("test.kill_at", 0) == step + 1 && first_time(job)) ::raise(SIGKILL);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    ++step;
    json points = {{{"name", "train.loss"}, {"value", 1.0 / step}, {"step", step}},
                   {{"name", "lr"}, {"value", 0.1}, {"step", step}}};
    if (step % kStepsPerEpoch == 0) {
      points.push_back({{"name", "top1"},
                        {"value", 0.5},
                        {"step", step},
                        {"epoch", static_cast<double>(step / kStepsPerEpoch)}});
      write_checkpoint(folder, step);
    }
    say({{"event", "metrics"}, {"key", job.key}, {"points", points}});
    say({{"event", "progress"},
         {"key", job.key},
         {"phase", "train"},
         {"done", step},
         {"total", kSteps},
         {"unit", "steps"},
         {"epoch", (step - 1) / kStepsPerEpoch + 1},
         {"epochs", kSteps / kStepsPerEpoch},
         {"fraction", static_cast<double>(step) / kSteps}});
    if (g_stop == 0) continue;
    write_checkpoint(folder, step);
    say({{"event", "failed"},
         {"key", job.key},
         {"class", "preempted"},
         {"message", "checkpoint at step " + std::to_string(step)}});
    return false;
  }
  for (int epoch = 1; epoch * kStepsPerEpoch <= step; ++epoch) {
    fields["epochs"].push_back(epoch_record(epoch));
  }
  const std::string weights = "weights";
  bitsweep::write_file_atomic(folder / "weights.safetensors", weights);
  fields["state_sha256"] = bitsweep::sha256_hex("step " + std::to_string(step));
  fields["artifacts"] = {{{"name", "weights"},
                          {"path", "weights.safetensors"},
                          {"bytes", weights.size()},
                          {"sha256", bitsweep::sha256_hex(weights)}}};
  succeed(job, {{"top1", 0.5}, {"images", 8}, {"steps", step}}, fields);
  return true;
}

std::string act_of(const bitsweep::run::Job& job) {
  if (job.settings.contains("test.act")) return job.settings.at("test.act");
  const char* act = std::getenv("FAKE_WORKER_ACT");
  return act != nullptr ? act : "ok";
}

// What becomes of the worker after a job: nothing, or its exit status.
std::optional<int> work_on(const bitsweep::run::Job& job, bool in_company) {
  const std::string act = act_of(job);
  if (act == "crash_in_company" && in_company) ::raise(SIGSEGV);
  if (act == "hang_in_company" && in_company) std::this_thread::sleep_for(std::chrono::minutes(5));
  if (act == "oom_in_company" && in_company) {
    say({{"event", "failed"}, {"key", job.key}, {"class", "oom_host"}, {"message", "full"}});
    return std::nullopt;
  }
  if (act == "crash" || (act == "crash_once" && first_time(job))) ::raise(SIGSEGV);
  if (act == "kill_once" && first_time(job)) ::raise(SIGKILL);
  if (act == "exit") {
    std::cerr << "a last word" << std::endl;
    return 9;
  }
  if (act == "hang") std::this_thread::sleep_for(std::chrono::minutes(5));
  if (act == "slow") std::this_thread::sleep_for(std::chrono::milliseconds(300));
  if (act == "garbage") std::cout << "this is no JSON\n[1, 2]\n" << std::flush;
  if (act == "data") {
    say({{"event", "failed"},
         {"key", job.key},
         {"class", "data"},
         {"message", "weights are gone"}});
    return std::nullopt;
  }
  if (act == "lies") {
    say({{"event", "done"}, {"key", job.key}, {"metrics", json::object()}});
    return std::nullopt;
  }
  if (act == "train") {
    if (!train(job)) return 75;
    return std::nullopt;
  }
  if (act == "needs_weights" && !fs::exists(job.paths.value("model.weights", ""))) {
    say({{"event", "failed"}, {"key", job.key}, {"class", "data"}, {"message", "no weights"}});
    return std::nullopt;
  }
  say({{"event", "metric"}, {"key", job.key}, {"name", "loss"}, {"value", 1.5}, {"step", 1}});
  succeed(job, {{"top1", 0.5}, {"images", 8}}, json::object());
  return std::nullopt;
}

}  // namespace

int main() {
  bitsweep::run::die_with_parent();
  say({{"event", "ready"}, {"pid", ::getpid()}});
  for (std::string line; std::getline(std::cin, line);) {
    const auto assignment = bitsweep::run::assignment_from_json(json::parse(line));
    const bool in_company = assignment.jobs.size() > 1;
    std::vector<std::optional<bitsweep::FileLock>> locks;
    for (const auto& job : assignment.jobs) {
      locks.push_back(bitsweep::FileLock::try_acquire(fs::path(job.attempt_folder) / "lock"));
      say({{"event", "started"}, {"key", job.key}});
    }
    if (in_company) {
      say({{"event", "shared"},
           {"trials", assignment.jobs.size()},
           {"nodes_alone", 10 * assignment.jobs.size()},
           {"distinct_nodes", 12},
           {"evaluations", 12},
           {"peak_bytes", assignment.cache_bytes}});
    }
    for (const auto& job : assignment.jobs) {
      if (const auto status = work_on(job, in_company)) return *status;
    }
  }
}
