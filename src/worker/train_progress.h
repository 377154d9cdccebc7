// "progress" events of a training (run/protocol.h): how far, how fast, and its latest loss and
// accuracy.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "train/trial.h"
#include "worker/send.h"

namespace bitsweep::worker {

class TrainProgress {
 public:
  using Clock = std::chrono::steady_clock;

  // images: of one epoch.
  TrainProgress(Send send, std::string key, std::int64_t images, std::int64_t batch_size,
                std::int64_t epochs);

  // phase, done, total, unit: as train::Listener::progress. Sends at most every 200 ms, and where a
  // phase ends.
  void update(const std::string& phase, std::int64_t done, std::int64_t total, const char* unit);
  void observe(std::span<const train::Point> points);

 private:
  void measure(std::int64_t step, Clock::time_point now);

  Send send_;
  std::string key_;
  std::int64_t steps_per_epoch_;
  double images_per_step_;
  std::int64_t epochs_;

  std::int64_t step_ = 0;
  double fraction_ = 0;  // of all steps
  std::optional<double> loss_;
  std::optional<double> top1_;
  // Of the steps of the last seconds, evaluations left out.
  std::optional<Clock::time_point> last_step_;
  double images_ = 0;
  double seconds_ = 0;
  Clock::time_point last_sent_{};
};

}  // namespace bitsweep::worker
