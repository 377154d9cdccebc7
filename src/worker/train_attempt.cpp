#include "worker/train_attempt.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>

#include "core/hash.h"
#include "core/text.h"
#include "data/dataset.h"
#include "store/checkpoints.h"
#include "worker/faults.h"
#include "worker/metrics_batch.h"
#include "worker/stop.h"
#include "worker/train_progress.h"

namespace bitsweep::worker {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr const char* kWeightsFile = "weights.safetensors";

std::int64_t images_per_epoch(const config::TrialConfig& config) {
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  return config.data.train_images.value_or(dataset.train.images()) -
         config.data.validation_images.value_or(0);
}

store::Retention retention_of(const run::Job& job) {
  const auto count = [&](const char* name) { return job.settings.at(name).get<std::int64_t>(); };
  return {count("budget.keep_checkpoints.last"), count("budget.keep_checkpoints.best")};
}

// Which checkpoints stay, while the training runs and after it.
class Keeper {
 public:
  explicit Keeper(const run::Job& job) : folder_(job.attempt_folder), kept_(retention_of(job)) {}

  void observe(std::span<const train::Point> points) {
    bool is_epoch = false;
    for (const train::Point& point : points) {
      is_epoch = is_epoch || point.epoch.has_value();
      if (point.epoch && point.name == "top1") scores_[point.step] = point.value;
    }
    // A run that is stopped needs one to go on from, whatever is kept in the end.
    if (is_epoch) {
      store::prune_checkpoints(folder_, {std::max<std::int64_t>(kept_.last, 1), kept_.best},
                               scores_);
    }
  }
  std::vector<store::Checkpoint> finish() {
    return store::prune_checkpoints(folder_, kept_, scores_);
  }

 private:
  fs::path folder_;
  store::Retention kept_;
  std::map<std::int64_t, double> scores_;  // step → top1, of epochs
};

json artifact(const fs::path& folder, const std::string& name, const fs::path& file,
              const std::string& sha256) {
  return {{"name", name},
          {"path", fs::relative(file, folder).generic_string()},
          {"bytes", fs::file_size(file)},
          {"sha256", sha256}};
}

// "<number>/checkpoints/<file>": from the trial's folder.
std::string within_trial(const fs::path& checkpoint) {
  const fs::path attempt = checkpoint.parent_path().parent_path();
  return (attempt.filename() / checkpoint.parent_path().filename() / checkpoint.filename())
      .generic_string();
}

json metrics_of(const train::Outcome& outcome) {
  json metrics = {{"train_loss", outcome.train_loss},         {"train_top1", outcome.train_top1},
                  {"epochs", outcome.epochs.size()},          {"steps", outcome.steps},
                  {"selected_epoch", outcome.selected_epoch}, {"train_seconds", outcome.train_s},
                  {"evaluate_seconds", outcome.evaluate_s}};
  if (outcome.train_s > 0) {
    metrics["images_per_second"] = static_cast<double>(outcome.images_trained) / outcome.train_s;
  }
  if (outcome.integer) {
    const integer::PredictionComparison& predictions = outcome.integer->predictions;
    const auto images = static_cast<double>(predictions.images());
    std::int64_t largest = 0;
    for (const integer::TensorDifference& tensor : outcome.integer->tensors) {
      largest = std::max(largest, tensor.largest);
    }
    metrics["integer.top1"] = static_cast<double>(predictions.integer_correct()) / images;
    metrics["integer.argmax_flips"] = predictions.flips();
    metrics["integer.mcnemar_p"] = outcome.integer->mcnemar_p;
    metrics["integer.largest_lsb"] = largest;
    metrics["integer.images_per_second"] = images / outcome.integer->seconds;
  }
  return metrics;
}

json fields_of(const run::Job& job, const train::Outcome& outcome,
               const std::vector<store::Checkpoint>& checkpoints) {
  const fs::path folder = job.attempt_folder;
  json fields = {{"state_sha256", outcome.state_sha256},
                 {"epochs", json::array()},
                 {"artifacts", json::array()}};
  for (const train::EpochRecord& record : outcome.epochs) {
    fields["epochs"].push_back(to_json(record));
  }
  fields["artifacts"].push_back(
      artifact(folder, "weights", folder / kWeightsFile, outcome.result_sha256));
  for (const store::Checkpoint& checkpoint : checkpoints) {
    fields["artifacts"].push_back(artifact(folder, fmt::format("checkpoint.{}", checkpoint.step),
                                           checkpoint.path, sha256_file(checkpoint.path)));
  }
  if (outcome.resumed_from) fields["resumed_from"] = within_trial(*outcome.resumed_from);
  return fields;
}

json preempted(const run::Job& job) {
  const std::vector<store::Checkpoint> checkpoints = store::checkpoints_in(job.attempt_folder);
  const std::string where =
      checkpoints.empty() ? "before the first step"
                          : fmt::format("checkpoint at step {}", format_count(checkpoints[0].step));
  return {{"event", "failed"},
          {"key", job.key},
          {"class", to_string(run::FailureClass::preempted)},
          {"message", fmt::format("stopped by SIG{}; {}", ::sigabbrev_np(stop_signal()), where)}};
}

}  // namespace

json run_training(const run::Job& job, const config::TrialConfig& config, const Usage& usage,
                  const Train& train, const Send& send) {
  MetricsBatch metrics(send, job.key);
  TrainProgress progress(send, job.key, images_per_epoch(config), config.train.batch_size,
                         config.train.epochs);
  Keeper keeper(job);
  train::Listener listener;
  listener.progress = [&](const char* phase, std::int64_t done, std::int64_t total,
                          const char* unit) {
    test_fault(phase, done);
    progress.update(phase, done, total, unit);
  };
  listener.metrics = [&](std::span<const train::Point> points) {
    metrics.add(points);
    progress.observe(points);
    keeper.observe(points);
  };
  listener.stop = [] { return stop_signal() != 0; };

  train::Folders folders;
  folders.attempt = job.attempt_folder;
  folders.resume.assign(job.resume.begin(), job.resume.end());
  folders.key = job.key;

  const StopSignals signals;
  const train::Outcome outcome = train(config, folders, listener, job.stop_after_epochs);
  metrics.flush();
  if (outcome.stopped) return preempted(job);
  const Ending ending{outcome.accuracy,      *outcome.graph,
                      outcome.counts,        outcome.weights_sha256,
                      metrics_of(outcome),   fields_of(job, outcome, keeper.finish()),
                      outcome.teacher_sha256};
  return write_result(job, config, usage.cost(), ending);
}

}  // namespace bitsweep::worker
