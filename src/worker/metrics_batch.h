// Points of series on their way to the supervisor: many in one "metrics" event (run/protocol.h),
// because each event costs the supervisor a database transaction.
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "train/trial.h"
#include "worker/send.h"

namespace bitsweep::worker {

class MetricsBatch {
 public:
  using Clock = std::chrono::steady_clock;

  MetricsBatch(Send send, std::string key,
               Clock::duration between = std::chrono::milliseconds(250));
  // Sends what is left.
  ~MetricsBatch();
  MetricsBatch(const MetricsBatch&) = delete;
  MetricsBatch& operator=(const MetricsBatch&) = delete;

  // Sends all that has come once `between` has passed since the last event, and at once where a
  // point is that of a whole epoch.
  void add(std::span<const train::Point> points);
  void flush();

 private:
  Send send_;
  std::string key_;
  Clock::duration between_;
  Clock::time_point last_sent_ = Clock::now();
  nlohmann::json points_ = nlohmann::json::array();
};

}  // namespace bitsweep::worker
