// A trial to run, as the supervisor takes it. The store knows it already (Store::put_sweep).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace bitsweep::run {

struct Task {
  std::string key;
  std::string name;         // "sweep/axis=value,…"
  nlohmann::json settings;  // flat resolved settings (config::Settings::to_json)
  nlohmann::json paths;     // setting key → absolute path on this machine
  double timeout_s = 0;     // 0: none
  int retries = 1;          // further attempts after a crash or an out-of-memory
  // Successful attempts that the decision to run it knew of. More of them by the time its turn
  // comes mean that another supervisor has done it.
  std::int64_t successes_seen = 0;
  // Key and name of the trial whose weights it takes: it runs after that one and gets its
  // weights.safetensors under the keys of `takes_weights`. "": none.
  std::string waits_for{};
  std::string waits_for_name{};
  std::vector<std::string> takes_weights = {"model.weights"};
  bool resume = true;  // a training goes on from the checkpoints of earlier attempts
  std::optional<std::int64_t> stop_after_epochs{};
  // Tasks of equal words here can be evaluated together: post-training trials of one network, its
  // weights, images and batches (evaluation_of). "": always alone.
  std::string evaluation{};
};

// Task::evaluation as the task's settings, paths and predecessor have it.
std::string evaluation_of(const Task& task);

}  // namespace bitsweep::run
