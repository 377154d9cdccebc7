// One job from its configuration to the files of its attempt folder.
#pragma once

#include <c10/core/Device.h>

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "ptq/trial.h"
#include "run/protocol.h"
#include "worker/send.h"
#include "worker/train_attempt.h"

namespace bitsweep::worker {

// Makes what trains on a device.
using MakeTrain = std::function<Train(c10::Device device)>;

// Runs jobs one after the other and keeps between them what the next may need.
class Worker {
 public:
  Worker(Send send, MakeTrain make_train)
      : send_(std::move(send)), make_train_(std::move(make_train)) {}

  // Sends "started", "progress", "metrics" and at last "done", or "failed" with its class. Writes
  // the bitmap and then result.json into the attempt folder, whose lock it holds meanwhile. Throws
  // nothing that a job can cause.
  void run(const run::Job& job);

 private:
  struct Device {
    ptq::Session ptq;
    Train train;
  };

  nlohmann::json attempt(const run::Job& job);
  Device& device(const std::string& name);

  Send send_;
  MakeTrain make_train_;
  std::map<std::string, Device> devices_;
};

}  // namespace bitsweep::worker
