#include "worker/result.h"

#include <filesystem>
#include <fstream>

#include "core/file.h"
#include "core/hash.h"
#include "data/dataset.h"
#include "exec/device.h"
#include "graph/listing.h"
#include "quant/scheme.h"

namespace bitsweep::worker {
namespace {

using nlohmann::json;

constexpr const char* kBitmapFile = "top1.bitmap";

// Images a batch of the document's own accuracy: it tests with the batches that it trains with.
std::int64_t published_batch(const config::TrialConfig& config) {
  const bool trains = config.kind == config::TrialKind::train;
  return trains ? config.train.batch_size : config.eval.batch_size;
}

json metrics_of(const config::TrialConfig& config, const Ending& ending, double seconds) {
  const ptq::Accuracy& accuracy = ending.accuracy;
  json metrics = graph::to_json(ending.counts.total);
  metrics.update({{"top1", accuracy.top1()},
                  {"top1_batch_mean", accuracy.top1_batch_mean(published_batch(config))},
                  {"top5", accuracy.top5()},
                  {"correct", accuracy.correct_top1()},
                  {"correct_top5", accuracy.correct_top5()},
                  {"images", accuracy.images()},
                  {"loss", accuracy.loss()},
                  {"seconds", seconds}});
  metrics.update(ending.metrics);
  return metrics;
}

json layers_of(const Ending& ending) {
  json layers = json::array();
  for (const graph::LayerCount& layer : ending.counts.layers) {
    layers.push_back(graph::to_json(ending.graph, layer));
  }
  return layers;
}

// What the numbers rest on besides the configuration.
json fingerprint_of(const config::TrialConfig& config, const Ending& ending,
                    const std::string& device) {
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  const bool trains = config.kind == config::TrialKind::train;
  json out = exec::fingerprint(exec::open_device(device),
                               trains ? config.train.precision : config::Precision::fp32);
  out["data"] = {{"name", dataset.name},
                 {"test_sha256", dataset.test.digest},
                 {"train_sha256", dataset.train.digest}};
  out["weights_sha256"] = ending.weights_sha256;
  if (!ending.teacher_sha256.empty()) out["teacher_sha256"] = ending.teacher_sha256;
  return out;
}

}  // namespace

// The kernel's high-water mark is set back to what is resident now.
Usage::Usage() { std::ofstream("/proc/self/clear_refs") << "5"; }

double Usage::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

std::uint64_t Usage::peak_memory_bytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
  return 0;
}

json write_result(const run::Job& job, const config::TrialConfig& config, const Cost& cost,
                  const Ending& ending) {
  const std::filesystem::path folder = job.attempt_folder;
  const std::span<const std::byte> bitmap(ending.accuracy.bitmap());
  write_file_atomic(folder / kBitmapFile, bitmap);
  const json metrics = metrics_of(config, ending, cost.seconds);
  json result = {
      {"schema_version", 1},
      {"key", job.key},
      {"status", "ok"},
      {"metrics", metrics},
      {"seconds", cost.seconds},
      {"peak_memory_bytes", cost.peak_memory_bytes},
      {"fingerprint", fingerprint_of(config, ending, job.device)},
      {"numerics_version",
       {{config.quant.scheme, quant::schemes().get(config.quant.scheme).numerics_version}}},
      {"layers", layers_of(ending)},
      {"bitmaps",
       {{"top1",
         {{"file", kBitmapFile},
          {"images", ending.accuracy.images()},
          {"sha256", sha256_hex(bitmap)}}}}}};
  result.update(ending.fields);
  write_file_atomic(folder / "result.json", result.dump(1) + "\n");
  return {{"event", "done"},
          {"key", job.key},
          {"metrics", metrics},
          {"seconds", cost.seconds},
          {"peak_memory_bytes", cost.peak_memory_bytes}};
}

}  // namespace bitsweep::worker
