#include "worker/bench_ptq.h"

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "exec/device.h"
#include "ptq/trial.h"
#include "worker/bench_times.h"
#include "worker/bench_trials.h"

namespace bitsweep::worker {
namespace {

struct Variant {
  const char* name;
  config::Value bits;  // of weights and activations
  const char* granularity;
  const char* statistics;
  const char* clipping = "none";
};

config::TrialConfig configuration(const Variant& variant) {
  BenchKeys keys = {{"quant.calibration.statistics", variant.statistics},
                    {"quant.activation.clipping", variant.clipping}};
  for (const std::string tensor : {"quant.weight.", "quant.activation."}) {
    keys.emplace_back(tensor + "bits", variant.bits);
    keys.emplace_back(tensor + "granularity", variant.granularity);
  }
  return bench_trial(keys);
}

}  // namespace

nlohmann::json bench_ptq(const PtqBenchOptions& options) {
  exec::set_threads(options.threads);
  ptq::Session session(at::kCPU);
  const auto seconds = [&](const config::TrialConfig& config) {
    return session.run(config, {}).evaluate_s;
  };
  const Variant float32{"float32", "none", "tensor", "calibrated"};
  const Variant variants[] = {
      {"ResNet20 W4A4, per tensor, calibrated", 4, "tensor", "calibrated"},
      {"ResNet20 W4A4, per channel, calibrated", 4, "channel", "calibrated"},
      {"ResNet20 W4A4, per channel, dynamic", 4, "channel", "dynamic"},
      {"ResNet20 W4A4, per channel, dynamic laplace", 4, "channel", "dynamic", "laplace"},
  };
  const config::TrialConfig peer = configuration(float32);
  const auto images = static_cast<double>(data::datasets().get("cifar10_small").test.images());
  nlohmann::json rows = nlohmann::json::array();
  for (const Variant& variant : variants) {
    const config::TrialConfig ours = configuration(variant);
    seconds(peer);  // decodes, calibrates, touches memory
    seconds(ours);
    std::vector<double> our_times, peer_times, ratios;
    for (int i = 0; i < options.repeats; ++i) {
      peer_times.push_back(seconds(peer));
      our_times.push_back(seconds(ours));
      ratios.push_back(our_times.back() / peer_times.back());
    }
    rows.push_back({{"name", variant.name},
                    {"peer", "float32, batch norms folded"},
                    {"unit", "images per second"},
                    {"ours", images / median(our_times)},
                    {"peer_value", images / median(peer_times)},
                    {"ratio", median(ratios)},
                    {"repeats", options.repeats},
                    {"threads", options.threads},
                    {"note", "images per second; ratio is the time beside float32"}});
  }
  return rows;
}

}  // namespace bitsweep::worker
