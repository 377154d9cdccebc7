#include "small_trial.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <catch2/catch_test_macros.hpp>

#include "config/settings.h"
#include "core/file.h"

namespace bitsweep::train::testing {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "bitsweep-trial-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() { fs::remove_all(path_); }

config::TrialConfig configuration(const Keys& keys) {
  config::Settings settings;
  const auto set = [&](const Keys& all) {
    for (const auto& [key, value] : all) settings.set(key, value, "test");
  };
  set({{"kind", "train"},
       {"model.name", "resnet20"},
       {"model.shortcut", "B"},
       {"data.name", "cifar10_small"},
       {"data.train_images", 14},
       {"data.test_images", 10},
       {"train.epochs", kEpochs},
       {"train.batch_size", 3},
       {"train.log_every", 1}});
  set(keys);
  return config::to_trial(settings);
}

config::TrialConfig quantized(const Keys& keys) {
  Keys all = {{"quant.scheme", "dorefa_pact"},
              {"quant.weight.bits", 8},
              {"quant.activation.bits", 8},
              {"quant.activation.quantizer", "mpact"}};
  all.insert(all.end(), keys.begin(), keys.end());
  return configuration(all);
}

Got run_in(const fs::path& folder, const config::TrialConfig& config, const How& how) {
  Got got;
  std::int64_t steps = 0;
  Listener listener;
  listener.metrics = [&](std::span<const Point> points) {
    got.points.insert(got.points.end(), points.begin(), points.end());
  };
  listener.stop = [&] { return how.steps && ++steps == *how.steps; };
  Session session(c10::kCPU);
  got.outcome = session.run(config, {.attempt = folder, .resume = how.resume, .key = how.key},
                            listener, how.stop_after_epochs);
  if (!got.outcome.stopped) got.weights = read_binary_file(folder / "weights.safetensors");
  return got;
}

Got run_trial(const config::TrialConfig& config, const How& how) {
  const TemporaryFolder folder;
  return run_in(folder.path(), config, how);
}

fs::path checkpoint_of(const fs::path& folder, std::int64_t step) {
  return folder / "checkpoints" / fmt::format("{:08}.safetensors", step);
}

namespace {

std::string text(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : "none";
}

}  // namespace

std::vector<std::string> text_of(const std::vector<EpochRecord>& epochs) {
  std::vector<std::string> out;
  for (const EpochRecord& e : epochs) {
    out.push_back(fmt::format("epoch {} step {} state {} lr {} train {} {} {} top1 {} loss {}",
                              e.epoch, e.step, e.state_sha256, e.lr, e.train_loss, e.train_top1,
                              e.split, text(e.top1), text(e.loss)));
  }
  return out;
}

std::vector<std::string> text_of(const std::vector<Point>& points) {
  std::vector<std::string> out;
  for (const Point& p : points) {
    out.push_back(
        fmt::format("{} = {} at step {}, epoch {}", p.name, p.value, p.step, text(p.epoch)));
  }
  return out;
}

std::vector<Point> series(const std::vector<Point>& points, const std::string& name) {
  std::vector<Point> out;
  for (const Point& p : points) {
    if (p.name == name) out.push_back(p);
  }
  return out;
}

std::vector<std::int64_t> steps_of(const std::vector<Point>& points) {
  std::vector<std::int64_t> out;
  for (const Point& p : points) out.push_back(p.step);
  return out;
}

}  // namespace bitsweep::train::testing
