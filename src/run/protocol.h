// What supervisor and worker say to each other: one JSON object a line. Jobs go to the worker's
// standard input, events come back on its standard output; anything a library prints there instead
// of stderr would be a protocol error, so the worker moves stdout away before it loads anything.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

namespace bitsweep::run {

// Supervisor → worker.
struct Job {
  std::string key;          // trial key
  nlohmann::json settings;  // flat resolved settings (config::Settings::to_json), paths as given
  nlohmann::json paths;     // setting key → absolute path on this machine ("model.weights", …)
  std::string attempt_folder;  // results/runs/<key>/<attempt>, exists; the worker writes into it
  std::string device;          // "cpu" | "cuda:0"
  int threads = 1;
  // Of a training: checkpoints of earlier attempts that it may continue from, best first.
  std::vector<std::string> resume{};
  // Of a training: end after so many epochs (`bitsweep repro --epochs`).
  std::optional<std::int64_t> stop_after_epochs{};
};
nlohmann::json to_json(const Job& job);
Job job_from_json(const nlohmann::json& job);

// Supervisor → worker, one line: what a worker does next. Several jobs are post-training trials
// that one evaluation serves together; each has its own events and its own attempt folder.
struct Assignment {
  std::vector<Job> jobs;
  std::int64_t cache_bytes = 0;  // what a shared evaluation may hold for later use
};
nlohmann::json to_json(const Assignment& assignment);
Assignment assignment_from_json(const nlohmann::json& line);

// Worker → supervisor: {"event": …}
//   "ready"     {"pid", "libtorch", "instruction_set", "device"}   once, after start
//   "started"   {"key"}
//   "progress"  {"key", "phase": "calibrate"|"train"|"evaluate", "done", "total", "unit"}
//               of a training also {"fraction" of the whole, "epoch", "epochs",
//               "images_per_second"?, "loss"?, "top1"?}
//   "metric"    {"key", "name", "value", "step"?, "epoch"?}        a point of a series
//   "metrics"   {"key", "points": [{"name", "value", "step"?, "epoch"?}, …]}   many of them
//               The supervisor adds "wall_s", seconds since the attempt started, to both.
//   "done"      {"key", "metrics": {name: value}, "seconds", "peak_memory_bytes"}
//               sent after result.json and the bitmaps are safely in the attempt folder
//   "failed"    {"key", "class": "data"|"config"|"diverged"|"oom_host"|…, "message", "details"?}
//               class "preempted": SIGTERM or SIGINT stopped a training, whose checkpoint is
//               written; the worker then exits with status 75
//   "shared"    {"trials", "nodes_alone", "distinct_nodes", "evaluations", "peak_bytes"}
//               what one evaluation for several trials saved (ptq/shared_evaluation.h); of no key,
//               before the trials are done
//   "bye"       {}  before a clean exit
//
// result.json in the attempt folder (written atomically, last): {"schema_version": 1, "key",
//   "status": "ok", "metrics": {...}, "fingerprint": {...}, "layers": [...], "seconds": …,
//   "bitmaps": {"top1": {"file": "top1.bitmap", "images": n, "sha256": …}}, "numerics_version": …}
//   and of a training {"epochs": [{"epoch", "step", "state_sha256", "lr", "train_loss",
//   "train_top1", "split", "top1", "loss"}], "state_sha256", "resumed_from"?:
//   "<number>/checkpoints/<file>", "artifacts": [{"name": "weights"|"checkpoint.<step>", "path",
//   "bytes", "sha256"}]}
// top1.bitmap: bit i of byte i / 8, most significant first (numpy.packbits), 1 where image i of the
//   evaluation set in file order was classified correctly.

enum class FailureClass {
  oom_host,
  oom_cuda,
  timeout,
  diverged,
  crash,
  preempted,
  user,
  config,
  data
};
std::string to_string(FailureClass failure);

}  // namespace bitsweep::run
