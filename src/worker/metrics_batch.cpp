#include "worker/metrics_batch.h"

#include <utility>

namespace bitsweep::worker {

MetricsBatch::MetricsBatch(Send send, std::string key, Clock::duration between)
    : send_(std::move(send)), key_(std::move(key)), between_(between) {}

MetricsBatch::~MetricsBatch() { flush(); }

void MetricsBatch::add(std::span<const train::Point> points) {
  bool is_epoch = false;
  for (const train::Point& point : points) {
    nlohmann::json entry = {{"name", point.name}, {"value", point.value}, {"step", point.step}};
    if (point.epoch) entry["epoch"] = *point.epoch;
    is_epoch = is_epoch || point.epoch.has_value();
    points_.push_back(std::move(entry));
  }
  if (is_epoch || Clock::now() - last_sent_ >= between_) flush();
}

void MetricsBatch::flush() {
  if (points_.empty()) return;
  send_({{"event", "metrics"}, {"key", key_}, {"points", std::move(points_)}});
  points_ = nlohmann::json::array();
  last_sent_ = Clock::now();
}

}  // namespace bitsweep::worker
