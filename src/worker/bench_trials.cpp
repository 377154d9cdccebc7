#include "worker/bench_trials.h"

#include <filesystem>

#include "config/settings.h"
#include "core/error.h"
#include "data/source.h"

namespace bitsweep::worker {
namespace {

std::filesystem::path carried_weights() {
  for (const std::filesystem::path& root : data::search_path("")) {
    const auto file = root.parent_path() / "weights" / "resnet20_a_akamaster.safetensors";
    if (std::filesystem::exists(file)) return file;
  }
  throw DataError("bench: there is no experiments/weights/resnet20_a_akamaster.safetensors");
}

}  // namespace

config::TrialConfig bench_trial(const BenchKeys& keys) {
  config::Settings settings;
  for (const auto& [key, value] : BenchKeys{{"model.name", "resnet20"},
                                            {"model.shortcut", "A"},
                                            {"model.weights", carried_weights().string()},
                                            {"data.name", "cifar10_small"},
                                            {"data.normalize", "imagenet"},
                                            {"quant.scheme", "aciq"}}) {
    settings.set(key, value, "bench");
  }
  for (const auto& [key, value] : keys) settings.set(key, value, "bench");
  return config::to_trial(settings);
}

}  // namespace bitsweep::worker
