// Jobs of kind "train" with a trainer that only pretends: what the worker sends, keeps and writes.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "config/settings.h"
#include "core/file.h"
#include "core/hash.h"
#include "models/model.h"
#include "ptq/statistics.h"
#include "store/checkpoints.h"
#include "worker/attempt.h"
#include "worker/metrics_batch.h"
#include "worker/stop.h"
#include "worker/train_progress.h"

using namespace bitsweep;
using namespace std::chrono_literals;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "bitsweep-training-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

run::Job training_job(const TemporaryFolder& trial, int attempt = 1) {
  config::Settings settings;
  const auto set = [&](const char* name, config::Value value) {
    settings.set(name, std::move(value), "test");
  };
  set("kind", "train");
  set("model.name", "toynet");
  set("data.name", "cifar10_small");
  set("data.train_images", 200);
  set("train.epochs", 3);
  set("train.batch_size", 50);
  run::Job job;
  job.key = "0123";
  job.settings = settings.to_json();
  job.paths = json::object();
  job.attempt_folder = trial.path() / std::to_string(attempt);
  job.device = "cpu";
  fs::create_directories(job.attempt_folder);
  return job;
}

void write_checkpoint(const train::Folders& folders, std::int64_t step) {
  write_file_atomic(folders.attempt / "checkpoints" / (std::to_string(step) + ".safetensors"),
                    std::to_string(step));
}

// Three epochs of four steps, the second the best.
train::Outcome pretend(const train::Folders& folders, const train::Listener& listener) {
  train::Outcome out;
  for (std::int64_t step = 1; step <= 12; ++step) {
    const train::Point loss{"train.loss", 1.0 / static_cast<double>(step), step, {}};
    listener.metrics(std::span(&loss, 1));
    listener.progress("train", step, 12, "steps");
    if (listener.stop()) {
      write_checkpoint(folders, step);
      out.stopped = true;
      return out;
    }
    if (step % 4 != 0) continue;
    write_checkpoint(folders, step);
    const std::int64_t epoch = step / 4;
    const double top1 = epoch == 2 ? 0.9 : 0.5;
    const train::Point accuracy{"top1", top1, step, static_cast<double>(epoch)};
    listener.metrics(std::span(&accuracy, 1));
    train::EpochRecord record;
    record.epoch = epoch;
    record.step = step;
    record.state_sha256 = "state " + std::to_string(epoch);
    record.train_loss = 0.25;
    record.top1 = top1;
    record.split = "test";
    out.epochs.push_back(record);
  }
  write_file_atomic(folders.attempt / "weights.safetensors", std::string("weights"));
  config::ModelConfig model;
  model.name = "toynet";
  out.graph = std::make_shared<const graph::Graph>(models::build_model(model, 10));
  out.counts = graph::count(*out.graph);
  out.accuracy = ptq::Accuracy(1);
  const std::vector<float> logits = {0, 1, 0, 0, 0, 0, 0, 0, 0, 0};
  out.accuracy.add(0, logits, 1);
  out.steps = 12;
  out.selected_epoch = 3;
  out.train_loss = 0.25;
  out.train_top1 = 0.75;
  out.train_s = 2;
  out.images_trained = 600;
  out.state_sha256 = "state 3";
  out.result_sha256 = sha256_hex("weights");
  return out;
}

struct Ran {
  std::vector<json> events;
  json result;  // null where none was written
};

Ran run_job(const run::Job& job, const worker::Train& train) {
  Ran out;
  worker::Worker worker([&](const json& event) { out.events.push_back(event); },
                        [&](c10::Device) { return train; });
  worker.run({{job}, 0});
  const fs::path file = fs::path(job.attempt_folder) / "result.json";
  if (fs::exists(file)) out.result = json::parse(std::ifstream(file));
  return out;
}

worker::Train pretending() {
  return
      [](const config::TrialConfig&, const train::Folders& folders, const train::Listener& listener,
         std::optional<std::int64_t>) { return pretend(folders, listener); };
}

std::size_t points_in(const std::vector<json>& events) {
  std::size_t points = 0;
  for (const json& event : events) {
    if (event.at("event") == "metrics") points += event.at("points").size();
  }
  return points;
}

}  // namespace

TEST_CASE("a training's result holds metrics, epochs, weights and the checkpoints kept") {
  const TemporaryFolder trial;
  const Ran ran = run_job(training_job(trial), pretending());
  REQUIRE(ran.events.back().at("event") == "done");
  CHECK(points_in(ran.events) == 15);
  REQUIRE(ran.result.is_object());
  const json& metrics = ran.result.at("metrics");
  CHECK(metrics == ran.events.back().at("metrics"));
  CHECK(metrics.at("top1") == 1.0);
  CHECK(metrics.at("train_top1") == 0.75);
  CHECK(metrics.at("epochs") == 3);
  CHECK(metrics.at("steps") == 12);
  CHECK(metrics.at("images_per_second") == 300.0);
  CHECK(metrics.at("parameters") > 0);
  const json& epochs = ran.result.at("epochs");
  REQUIRE(epochs.size() == 3);
  CHECK(epochs[1].at("state_sha256") == "state 2");
  CHECK(epochs[1].at("top1") == 0.9);
  CHECK(epochs[1].at("loss").is_null());
  CHECK(ran.result.at("state_sha256") == "state 3");
  CHECK_FALSE(ran.result.contains("resumed_from"));
  const json& artifacts = ran.result.at("artifacts");
  REQUIRE(artifacts.size() == 3);  // the last checkpoint and the best
  CHECK(artifacts[0] == json{{"name", "weights"},
                             {"path", "weights.safetensors"},
                             {"bytes", 7},
                             {"sha256", sha256_hex("weights")}});
  CHECK(artifacts[1].at("path") == "checkpoints/12.safetensors");
  CHECK(artifacts[2].at("name") == "checkpoint.8");
  CHECK(artifacts[2].at("sha256") == sha256_hex("8"));
}

TEST_CASE("a training is handed its checkpoints, its last epoch, and says where it went on from") {
  const TemporaryFolder trial;
  run::Job job = training_job(trial, 2);
  job.resume = {(trial.path() / "1/checkpoints/8.safetensors").string(), "/older"};
  job.stop_after_epochs = 2;
  train::Folders handed;
  std::optional<std::int64_t> last_epoch;
  const Ran ran = run_job(
      job, [&](const config::TrialConfig& config, const train::Folders& folders,
               const train::Listener& listener, std::optional<std::int64_t> stop_after_epochs) {
        handed = folders;
        last_epoch = stop_after_epochs;
        CHECK(config.train.epochs == 3);
        train::Outcome out = pretend(folders, listener);
        out.resumed_from = folders.resume.at(0);
        return out;
      });
  CHECK(handed.attempt == job.attempt_folder);
  CHECK(handed.key == "0123");
  CHECK(handed.resume.size() == 2);
  CHECK(last_epoch == 2);
  CHECK(ran.result.at("resumed_from") == "1/checkpoints/8.safetensors");
}

TEST_CASE("what was measured before a training fails is sent first") {
  const TemporaryFolder trial;
  const Ran ran =
      run_job(training_job(trial),
              [](const config::TrialConfig&, const train::Folders&, const train::Listener& listener,
                 std::optional<std::int64_t>) -> train::Outcome {
                const train::Point loss{"train.loss", 7, 1, {}};
                listener.metrics(std::span(&loss, 1));
                throw ptq::Diverged("step 2: the loss is not finite");
              });
  REQUIRE(ran.events.size() == 3);
  CHECK(ran.events[1].at("points").at(0).at("value") == 7.0);
  CHECK(ran.events[2].at("class") == "diverged");
  CHECK(ran.result.is_null());
}

TEST_CASE("a signal in mid-training becomes a checkpoint and the class preempted") {
  const TemporaryFolder trial;
  const fs::path told = trial.path() / "told.json";
  const pid_t child = ::fork();  // the signal is noted for the rest of a process
  if (child == 0) {
    const Ran ran = run_job(training_job(trial),
                            [](const config::TrialConfig&, const train::Folders& folders,
                               const train::Listener& listener, std::optional<std::int64_t>) {
                              ::raise(SIGTERM);
                              return pretend(folders, listener);
                            });
    std::ofstream(told) << json{{"last", ran.events.back()},
                                {"points", points_in(ran.events)},
                                {"signal", worker::stop_signal()}};
    std::_Exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
  const json outcome = json::parse(std::ifstream(told));
  CHECK(outcome.at("last").at("event") == "failed");
  CHECK(outcome.at("last").at("class") == "preempted");
  CHECK(outcome.at("last").at("message") == "stopped by SIGTERM; checkpoint at step 1");
  CHECK(outcome.at("points") == 1);
  CHECK(outcome.at("signal") == SIGTERM);
  CHECK(store::checkpoints_in(trial.path() / "1").size() == 1);
}

TEST_CASE("outside a training a signal ends the worker at once") {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGTERM, SIG_DFL);  // not the test program's own handler
    { const worker::StopSignals training; }
    ::raise(SIGTERM);
    std::_Exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
}

TEST_CASE("points are sent together: after a time, at the end of an epoch, and what is left") {
  std::vector<json> events;
  const auto send = [&](const json& event) { events.push_back(event); };
  const train::Point step{"lr", 0.5, 3, {}};
  const train::Point epoch{"top1", 0.5, 4, 1.0};
  {
    worker::MetricsBatch batch(send, "k", 1h);
    batch.add(std::span(&step, 1));
    batch.add(std::span(&step, 1));
    CHECK(events.empty());
    batch.add(std::span(&epoch, 1));
    REQUIRE(events.size() == 1);
    CHECK(events[0] == json{{"event", "metrics"},
                            {"key", "k"},
                            {"points",
                             {{{"name", "lr"}, {"value", 0.5}, {"step", 3}},
                              {{"name", "lr"}, {"value", 0.5}, {"step", 3}},
                              {{"name", "top1"}, {"value", 0.5}, {"step", 4}, {"epoch", 1.0}}}}});
    batch.add(std::span(&step, 1));
    CHECK(events.size() == 1);
  }
  CHECK(events.size() == 2);
  worker::MetricsBatch eager(send, "k", 0s);
  eager.add(std::span(&step, 1));
  CHECK(events.size() == 3);
}

TEST_CASE("progress of a training counts epochs from one and keeps its share in evaluations") {
  std::vector<json> events;
  worker::TrainProgress progress([&](const json& event) { events.push_back(event); }, "k", 200, 50,
                                 3);
  progress.update("train", 0, 12, "steps");
  CHECK(events.back().at("epoch") == 1);
  CHECK(events.back().at("fraction") == 0.0);
  CHECK_FALSE(events.back().contains("loss"));
  const train::Point points[] = {{"train.loss", 0.5, 4, {}}, {"top1", 0.25, 4, 1.0}};
  progress.observe(points);
  progress.update("train", 4, 12, "steps");  // too soon to be sent
  CHECK(events.size() == 1);
  progress.update("evaluate", 100, 100, "images");
  REQUIRE(events.size() == 2);
  CHECK(events[1].at("epoch") == 1);  // that which has just ended
  CHECK(events[1].at("epochs") == 3);
  CHECK(events[1].at("fraction") == 4.0 / 12);
  CHECK(events[1].at("loss") == 0.5);
  CHECK(events[1].at("top1") == 0.25);
  CHECK(events[1].at("images_per_second") > 0);
  progress.update("train", 12, 12, "steps");
  CHECK(events.back().at("epoch") == 3);
  CHECK(events.back().at("fraction") == 1.0);
}
