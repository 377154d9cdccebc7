#include "worker/attempt.h"

#include <c10/util/Exception.h>

#include <chrono>
#include <filesystem>
#include <new>
#include <utility>
#include <vector>

#include "config/trial.h"
#include "core/file.h"
#include "exec/device.h"
#include "worker/configuration.h"
#include "worker/faults.h"
#include "worker/result.h"

namespace bitsweep::worker {
namespace {

using nlohmann::json;
using run::FailureClass;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kBetweenProgress(200);

json to_json(const ptq::SharedCounts& counts) {
  return {{"event", "shared"},
          {"trials", counts.members},
          {"nodes_alone", counts.nodes_alone},
          {"distinct_nodes", counts.distinct_nodes},
          {"evaluations", counts.evaluations},
          {"peak_bytes", counts.peak_bytes}};
}

// weight_entropy, weight_huffman_bits, …: bits an element.
void add_code_lengths(const std::string& tensors, const std::optional<ptq::CodeLengths>& lengths,
                      json& metrics) {
  if (!lengths) return;
  metrics[tensors + "_entropy"] = lengths->entropy;
  metrics[tensors + "_huffman_bits"] = lengths->huffman;
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

struct Worker::Quantization {
  const run::Job* job = nullptr;
  config::TrialConfig config;
  bool is_over = false;
};

ptq::Request Worker::request(Quantization& trial, std::chrono::milliseconds between_progress) {
  ptq::Request out;
  out.config = trial.config;
  out.listener.progress = [this, &trial, between_progress, last_sent = Clock::time_point()](
                              const char* phase, std::int64_t done, std::int64_t total) mutable {
    test_fault(phase, done);
    if (done < total && Clock::now() - last_sent < between_progress) return;
    last_sent = Clock::now();
    send_({{"event", "progress"},
           {"key", trial.job->key},
           {"phase", phase},
           {"done", done},
           {"total", total},
           {"unit", "images"}});
  };
  out.done = [this, &trial](const ptq::Outcome& outcome) {
    trial.is_over = true;
    guarded(*trial.job, [&] {
      json metrics = {{"calibrate_seconds", outcome.prepared.calibrate_s},
                      {"evaluate_seconds", outcome.evaluate_s},
                      {"images_per_second",
                       static_cast<double>(outcome.accuracy.images()) / outcome.evaluate_s}};
      add_code_lengths("weight", outcome.weight_codes, metrics);
      add_code_lengths("activation", outcome.activation_codes, metrics);
      const Cost cost{outcome.prepare_s + outcome.evaluate_s, Usage::peak_memory_bytes()};
      send_(write_result(*trial.job, trial.config, cost,
                         {outcome.accuracy, outcome.prepared.graph(), outcome.counts,
                          outcome.prepared.network->weights_sha256, metrics, json::object()}));
    });
  };
  out.failed = [this, &trial](const std::exception_ptr& error) {
    trial.is_over = true;
    guarded(*trial.job, [&] { std::rethrow_exception(error); });
  };
  return out;
}

void Worker::quantize(std::span<Quantization> trials, std::int64_t cache_bytes) {
  // Several trials together tell no more than one alone.
  const auto between_progress = kBetweenProgress * static_cast<std::int64_t>(trials.size());
  std::vector<ptq::Request> requests;
  for (Quantization& trial : trials) requests.push_back(request(trial, between_progress));
  ptq::GroupOptions options;
  options.cache_bytes = cache_bytes;
  options.evaluated = [&](const ptq::SharedCounts& counts) {
    if (counts.members > 1) send_(to_json(counts));
  };
  std::exception_ptr failure;
  try {
    device(trials.front().job->device).ptq.run_group(requests, options);
  } catch (...) {
    failure = std::current_exception();
  }
  for (const Quantization& trial : trials) {
    if (!trial.is_over) guarded(*trial.job, [&] { std::rethrow_exception(failure); });
  }
}

void Worker::guarded(const run::Job& job, const std::function<void()>& work) {
  try {
    work();
  } catch (...) {
    const Failed failed = classify();
    send_({{"event", "failed"},
           {"key", job.key},
           {"class", to_string(failed.failure)},
           {"message", failed.message}});
  }
}

void Worker::run(const run::Assignment& assignment) {
  const Usage usage;
  std::vector<FileLock> locks;
  std::vector<Quantization> quantizations;
  for (const run::Job& job : assignment.jobs) {
    send_({{"event", "started"}, {"key", job.key}});
    guarded(job, [&] {
      auto lock = FileLock::try_acquire(std::filesystem::path(job.attempt_folder) / "lock");
      if (!lock) {
        throw EnvironmentError(
            fmt::format("{}: another process works in this folder", job.attempt_folder));
      }
      locks.push_back(std::move(*lock));
      exec::set_threads(job.threads);
      config::TrialConfig config = trial_config(job.settings, job.paths);
      switch (config.kind) {
        case config::TrialKind::ptq:
          quantizations.push_back({&job, std::move(config)});
          return;
        case config::TrialKind::train:
          return send_(run_training(job, config, usage, device(job.device).train, send_));
        case config::TrialKind::analysis:
          break;
      }
      throw ConfigError("kind = \"analysis\" is no trial that a worker runs");
    });
  }
  if (!quantizations.empty()) quantize(quantizations, assignment.cache_bytes);
}

}  // namespace bitsweep::worker
