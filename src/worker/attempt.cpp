#include "worker/attempt.h"

#include <c10/util/Exception.h>

#include <chrono>
#include <filesystem>
#include <new>
#include <utility>

#include "config/trial.h"
#include "core/file.h"
#include "data/dataset.h"
#include "exec/device.h"
#include "models/model.h"
#include "worker/faults.h"
#include "worker/result.h"

namespace bitsweep::worker {
namespace {

using nlohmann::json;
using run::FailureClass;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBetweenProgress(200);

config::TrialConfig trial_config(const run::Job& job) {
  config::Settings settings = config::Settings::from_json(job.settings);
  for (const auto& [key, path] : job.paths.items()) {
    settings.set(key, path.get<std::string>(), "job");
  }
  config::TrialConfig out = config::to_trial(settings);
  out.data.image_size = data::shape_of(data::datasets().get(out.data.name), out.data.image_size,
                                       models::input_shape(out.model).height)
                            .height;
  return out;
}

json run_quantization(const run::Job& job, const config::TrialConfig& config, const Usage& usage,
                      ptq::Session& session, const Send& send) {
  Clock::time_point last_sent{};
  ptq::Listener listener;
  listener.progress = [&](const char* phase, std::int64_t done, std::int64_t total) {
    test_fault(phase, done);
    if (done < total && Clock::now() - last_sent < kBetweenProgress) return;
    last_sent = Clock::now();
    send({{"event", "progress"},
          {"key", job.key},
          {"phase", phase},
          {"done", done},
          {"total", total},
          {"unit", "images"}});
  };
  const ptq::Outcome outcome = session.run(config, listener);
  const json metrics = {
      {"calibrate_seconds", outcome.prepared.calibrate_s},
      {"evaluate_seconds", outcome.evaluate_s},
      {"images_per_second", static_cast<double>(outcome.accuracy.images()) / outcome.evaluate_s}};
  return write_result(job, config, usage,
                      {outcome.accuracy, outcome.prepared.graph(), outcome.counts,
                       outcome.prepared.network->weights_sha256, metrics, json::object()});
}

struct Failed {
  FailureClass failure;
  std::string message;
};

// The class of what is being thrown. Call in a catch block.
Failed classify() {
  try {
    throw;
  } catch (const ptq::Diverged& error) {
    return {FailureClass::diverged, error.what()};
  } catch (const DataError& error) {
    return {FailureClass::data, error.what()};
  } catch (const ConfigError& error) {
    return {FailureClass::config, error.what()};
  } catch (const EnvironmentError& error) {
    return {FailureClass::config, error.what()};
  } catch (const c10::OutOfMemoryError& error) {
    return {FailureClass::oom_cuda, error.what_without_backtrace()};
  } catch (const std::bad_alloc&) {
    return {FailureClass::oom_host, "out of memory"};
  } catch (const c10::Error& error) {
    const std::string message = error.what_without_backtrace();
    // LibTorch's CPU allocator has no error type of its own.
    const bool memory = message.find("DefaultCPUAllocator") != std::string::npos;
    return {memory ? FailureClass::oom_host : FailureClass::crash, message};
  } catch (const std::exception& error) {
    return {FailureClass::crash, error.what()};
  }
}

}  // namespace

Worker::Device& Worker::device(const std::string& name) {
  const auto it = devices_.find(name);
  if (it != devices_.end()) return it->second;
  const at::Device device = exec::open_device(name);
  return devices_.emplace(name, Device{ptq::Session(device), make_train_(device)}).first->second;
}

json Worker::attempt(const run::Job& job) {
  const Usage usage;
  exec::set_threads(job.threads);
  const config::TrialConfig config = trial_config(job);
  switch (config.kind) {
    case config::TrialKind::ptq:
      return run_quantization(job, config, usage, device(job.device).ptq, send_);
    case config::TrialKind::train:
      return run_training(job, config, usage, device(job.device).train, send_);
    case config::TrialKind::analysis:
      break;
  }
  throw ConfigError("kind = \"analysis\" is no trial that a worker runs");
}

void Worker::run(const run::Job& job) {
  send_({{"event", "started"}, {"key", job.key}});
  try {
    const auto lock = FileLock::try_acquire(std::filesystem::path(job.attempt_folder) / "lock");
    if (!lock) {
      throw EnvironmentError(
          fmt::format("{}: another process works in this folder", job.attempt_folder));
    }
    send_(attempt(job));
  } catch (...) {
    const Failed failed = classify();
    send_({{"event", "failed"},
           {"key", job.key},
           {"class", to_string(failed.failure)},
           {"message", failed.message}});
  }
}

}  // namespace bitsweep::worker
