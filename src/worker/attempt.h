// Assignments: jobs from their configurations to the files of their attempt folders.
#pragma once

#include <c10/core/Device.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "ptq/trial.h"
#include "run/protocol.h"
#include "worker/send.h"
#include "worker/train_attempt.h"

namespace bitsweep::worker {

// Makes what trains on a device.
using MakeTrain = std::function<Train(c10::Device device)>;

// Runs assignments one after the other and keeps between them what the next may need.
class Worker {
 public:
  Worker(Send send, MakeTrain make_train)
      : send_(std::move(send)), make_train_(std::move(make_train)) {}

  // Of every job: sends "started", "progress", "metrics" and at last "done", or "failed" with its
  // class. Writes the bitmap and then result.json into the attempt folder, whose lock it holds
  // meanwhile. Throws nothing that a job can cause.
  void run(const run::Assignment& assignment);

 private:
  struct Device {
    ptq::Session ptq;
    Train train;
  };
  // A post-training trial of the assignment.
  struct Quantization;

  void quantize(std::span<Quantization> trials, std::int64_t cache_bytes);
  ptq::Request request(Quantization& trial, std::chrono::milliseconds between_progress);
  // Runs `work`; what it throws is told as the job's failure.
  void guarded(const run::Job& job, const std::function<void()>& work);
  Device& device(const std::string& name);

  Send send_;
  MakeTrain make_train_;
  std::map<std::string, Device> devices_;
};

}  // namespace bitsweep::worker
