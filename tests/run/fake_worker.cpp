// A worker that does what the job's settings say ("test.act"), for tests of the supervisor: the real
// protocol without LibTorch.
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "core/file.h"
#include "run/parent.h"
#include "run/protocol.h"

namespace {

void say(const nlohmann::json& event) { std::cout << event.dump() << std::endl; }

void succeed(const bitsweep::run::Job& job) {
  const nlohmann::json metrics = {{"top1", 0.5}, {"images", 8}};
  const nlohmann::json result = {{"schema_version", 1},      {"key", job.key},
                                 {"status", "ok"},           {"metrics", metrics},
                                 {"fingerprint", {{"libtorch", "none"}}}, {"layers", nlohmann::json::array()},
                                 {"seconds", 0.01},          {"bitmaps", nlohmann::json::object()},
                                 {"numerics_version", {{"fake", 1}}}};
  bitsweep::write_file_atomic(std::filesystem::path(job.attempt_folder) / "result.json", result.dump());
  say({{"event", "done"}, {"key", job.key}, {"metrics", metrics}, {"seconds", 0.01}});
}

// True the first time it is asked in this folder's parent: to fail once, then succeed.
bool first_time(const bitsweep::run::Job& job) {
  return std::filesystem::path(job.attempt_folder).filename() == "1";
}

}  // namespace

int main() {
  bitsweep::run::die_with_parent();
  say({{"event", "ready"}, {"pid", ::getpid()}});
  for (std::string line; std::getline(std::cin, line);) {
    const auto job = bitsweep::run::job_from_json(nlohmann::json::parse(line));
    const auto lock =
        bitsweep::FileLock::try_acquire(std::filesystem::path(job.attempt_folder) / "lock");
    say({{"event", "started"}, {"key", job.key}});
    const std::string act = job.settings.at("test.act");
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
      say({{"event", "failed"}, {"key", job.key}, {"class", "data"}, {"message", "weights are gone"}});
      continue;
    }
    if (act == "lies") {
      say({{"event", "done"}, {"key", job.key}, {"metrics", nlohmann::json::object()}});
      continue;
    }
    say({{"event", "metric"}, {"key", job.key}, {"name", "loss"}, {"value", 1.5}, {"step", 1}});
    succeed(job);
  }
}
