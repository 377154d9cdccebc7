#include "worker/attempt.h"

#include <c10/util/Exception.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <new>

#include "config/trial.h"
#include "core/file.h"
#include "core/hash.h"
#include "exec/device.h"
#include "graph/listing.h"
#include "quant/scheme.h"
#include "worker/faults.h"

namespace bitsweep::worker {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;
using run::FailureClass;

constexpr std::chrono::milliseconds kBetweenProgress(200);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The largest resident size since the last reset, of this process.
void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << "5"; }

std::uint64_t peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

config::TrialConfig trial_config(const run::Job& job) {
  config::Settings settings = config::Settings::from_json(job.settings);
  for (const auto& [key, path] : job.paths.items()) {
    settings.set(key, path.get<std::string>(), "job");
  }
  return config::to_trial(settings);
}

json metrics_of(const ptq::Outcome& outcome, double seconds) {
  const ptq::Accuracy& accuracy = outcome.accuracy;
  json metrics = graph::to_json(outcome.counts.total);
  metrics.update(
      {{"top1", accuracy.top1()},
       {"top5", accuracy.top5()},
       {"correct", accuracy.correct_top1()},
       {"correct_top5", accuracy.correct_top5()},
       {"images", accuracy.images()},
       {"loss", accuracy.loss()},
       {"calibrate_seconds", outcome.calibrate_s},
       {"evaluate_seconds", outcome.evaluate_s},
       {"images_per_second", static_cast<double>(accuracy.images()) / outcome.evaluate_s},
       {"seconds", seconds}});
  return metrics;
}

json layers_of(const ptq::Outcome& outcome) {
  json layers = json::array();
  for (const graph::LayerCount& layer : outcome.counts.layers) {
    layers.push_back(graph::to_json(*outcome.graph, layer));
  }
  return layers;
}

// What the numbers rest on besides the configuration.
json fingerprint_of(const config::TrialConfig& config, const ptq::Outcome& outcome,
                    const std::string& device) {
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  json out = exec::fingerprint(exec::open_device(device));
  out["data"] = {{"name", dataset.name},
                 {"test_sha256", dataset.test.digest},
                 {"train_sha256", dataset.train.digest}};
  out["weights_sha256"] = outcome.weights_sha256;
  return out;
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

ptq::Session& Worker::session(const std::string& device) {
  const auto it = sessions_.find(device);
  if (it != sessions_.end()) return it->second;
  return sessions_.emplace(device, ptq::Session(exec::open_device(device))).first->second;
}

json Worker::attempt(const run::Job& job) {
  const auto start = Clock::now();
  reset_peak_memory();
  exec::set_threads(job.threads);
  const config::TrialConfig config = trial_config(job);

  Clock::time_point last_sent{};
  ptq::Listener listener;
  listener.progress = [&](const char* phase, std::int64_t done, std::int64_t total) {
    test_fault(phase, done);
    if (done < total && Clock::now() - last_sent < kBetweenProgress) return;
    last_sent = Clock::now();
    send_({{"event", "progress"},
           {"key", job.key},
           {"phase", phase},
           {"done", done},
           {"total", total},
           {"unit", "images"}});
  };
  const ptq::Outcome outcome = session(job.device).run(config, listener);

  const std::filesystem::path folder = job.attempt_folder;
  const std::vector<std::byte>& bitmap = outcome.accuracy.bitmap();
  write_file_atomic(folder / "top1.bitmap", std::span<const std::byte>(bitmap));
  const double seconds = seconds_since(start);
  const std::uint64_t peak = peak_memory_bytes();
  const json metrics = metrics_of(outcome, seconds);
  const json result = {
      {"schema_version", 1},
      {"key", job.key},
      {"status", "ok"},
      {"metrics", metrics},
      {"seconds", seconds},
      {"peak_memory_bytes", peak},
      {"fingerprint", fingerprint_of(config, outcome, job.device)},
      {"numerics_version",
       {{config.quant.scheme, quant::schemes().get(config.quant.scheme).numerics_version}}},
      {"layers", layers_of(outcome)},
      {"bitmaps",
       {{"top1",
         {{"file", "top1.bitmap"},
          {"images", outcome.accuracy.images()},
          {"sha256", sha256_hex(std::span<const std::byte>(bitmap))}}}}}};
  write_file_atomic(folder / "result.json", result.dump(1) + "\n");
  return {{"event", "done"},
          {"key", job.key},
          {"metrics", metrics},
          {"seconds", seconds},
          {"peak_memory_bytes", peak}};
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
