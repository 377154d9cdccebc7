// One job from its configuration to the files of its attempt folder.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "ptq/trial.h"
#include "run/protocol.h"

namespace bitsweep::worker {

// Sends one event to the supervisor (run/protocol.h).
using Send = std::function<void(const nlohmann::json& event)>;

// Runs jobs one after the other and keeps between them what the next may need.
class Worker {
 public:
  explicit Worker(Send send) : send_(std::move(send)) {}

  // Sends "started", "progress" and at last "done", or "failed" with its class. Writes the bitmap
  // and then result.json into the attempt folder, whose lock it holds meanwhile. Throws nothing
  // that a job can cause.
  void run(const run::Job& job);

 private:
  nlohmann::json attempt(const run::Job& job);
  ptq::Session& session(const std::string& device);

  Send send_;
  std::map<std::string, ptq::Session> sessions_;  // by device
};

}  // namespace bitsweep::worker
