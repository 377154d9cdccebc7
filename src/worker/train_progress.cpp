#include "worker/train_progress.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace bitsweep::worker {
namespace {

constexpr std::chrono::milliseconds kBetweenProgress(200);
constexpr double kWindow_s = 20;  // the rate forgets what is much older

}  // namespace

TrainProgress::TrainProgress(Send send, std::string key, std::int64_t images,
                             std::int64_t batch_size, std::int64_t epochs)
    : send_(std::move(send)),
      key_(std::move(key)),
      steps_per_epoch_((images + batch_size - 1) / batch_size),
      images_per_step_(static_cast<double>(images) / static_cast<double>(steps_per_epoch_)),
      epochs_(epochs) {}

void TrainProgress::measure(std::int64_t step, Clock::time_point now) {
  if (last_step_) {
    seconds_ += std::chrono::duration<double>(now - *last_step_).count();
    images_ += static_cast<double>(step - step_) * images_per_step_;
    if (seconds_ > kWindow_s) {
      seconds_ /= 2;
      images_ /= 2;
    }
  }
  last_step_ = now;
}

void TrainProgress::update(const std::string& phase, std::int64_t done, std::int64_t total,
                           const char* unit) {
  const auto now = Clock::now();
  if (phase == "train") {
    measure(done, now);
    step_ = done;
    fraction_ = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 1;
  } else {
    last_step_.reset();
  }
  if (done < total && now - last_sent_ < kBetweenProgress) return;
  last_sent_ = now;
  // The epoch at work; after its last step, the one that has just ended.
  const std::int64_t epoch = std::max<std::int64_t>(step_ - 1, 0) / steps_per_epoch_ + 1;
  nlohmann::json event = {{"event", "progress"}, {"key", key_},       {"phase", phase},
                          {"done", done},        {"total", total},    {"unit", unit},
                          {"epoch", epoch},      {"epochs", epochs_}, {"fraction", fraction_}};
  if (seconds_ > 0) event["images_per_second"] = std::round(images_ / seconds_);
  if (loss_) event["loss"] = *loss_;
  if (top1_) event["top1"] = *top1_;
  send_(event);
}

void TrainProgress::observe(std::span<const train::Point> points) {
  for (const train::Point& point : points) {
    if (!std::isfinite(point.value)) continue;
    if (point.name == "train.loss") loss_ = point.value;
    if (point.name == "top1") top1_ = point.value;
  }
}

}  // namespace bitsweep::worker
