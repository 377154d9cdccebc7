#include "worker/bench_ptq.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "config/settings.h"
#include "core/error.h"
#include "data/source.h"
#include "exec/device.h"
#include "ptq/trial.h"
#include "worker/bench_times.h"

namespace bitsweep::worker {
namespace {

std::filesystem::path carried_weights() {
  for (const std::filesystem::path& root : data::search_path("")) {
    const auto file = root.parent_path() / "weights" / "resnet20_a_akamaster.safetensors";
    if (std::filesystem::exists(file)) return file;
  }
  throw DataError("bench: there is no experiments/weights/resnet20_a_akamaster.safetensors");
}

struct Variant {
  const char* name;
  config::Value bits;  // of weights and activations
  const char* granularity;
  const char* statistics;
};

config::TrialConfig configuration(const Variant& variant) {
  config::Settings settings;
  const auto set = [&](const char* key, config::Value value) {
    settings.set(key, std::move(value), "bench");
  };
  set("model.name", "resnet20");
  set("model.shortcut", "A");
  set("model.weights", carried_weights().string());
  set("data.name", "cifar10_small");
  set("data.normalize", "imagenet");
  set("quant.scheme", "aciq");
  for (const std::string tensor : {"quant.weight.", "quant.activation."}) {
    set((tensor + "bits").c_str(), variant.bits);
    set((tensor + "granularity").c_str(), variant.granularity);
  }
  set("quant.calibration.statistics", variant.statistics);
  return config::to_trial(settings);
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
