// Trainings of a few steps on the images that the repository carries.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/trial.h"
#include "train/trial.h"

namespace bitsweep::train::testing {

using Keys = std::vector<std::pair<std::string, config::Value>>;

// A new empty folder, removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// What configuration() makes of it, without further keys.
inline constexpr std::int64_t kStepsPerEpoch = 5;
inline constexpr std::int64_t kEpochs = 4;
inline constexpr std::int64_t kSteps = kEpochs * kStepsPerEpoch;

// ResNet20-B on 14 training images, four epochs of four batches of 3 and one of 2; 10 test images.
config::TrialConfig configuration(const Keys& keys = {});
// The same with mPACT at 8 bits; quant.* keys below may say otherwise.
config::TrialConfig quantized(const Keys& keys = {});

// How a training is run.
struct How {
  std::vector<std::filesystem::path> resume{};
  std::optional<std::int64_t> steps{};  // Listener::stop says yes after so many of this process
  std::optional<std::int64_t> stop_after_epochs{};
  std::string key = "a trial";
};

struct Got {
  Outcome outcome;
  std::vector<Point> points;
  std::vector<std::byte> weights;  // the bytes of weights.safetensors; none where it was stopped
};

// In a new Session on the CPU, in `folder`.
Got run_in(const std::filesystem::path& folder, const config::TrialConfig& config,
           const How& how = {});
// The same in a folder that nobody looks into.
Got run_trial(const config::TrialConfig& config, const How& how = {});

std::filesystem::path checkpoint_of(const std::filesystem::path& folder, std::int64_t step);

// Every field exactly, for comparisons whose failures can be read.
std::vector<std::string> text_of(const std::vector<EpochRecord>& epochs);
std::vector<std::string> text_of(const std::vector<Point>& points);

// The points of one series.
std::vector<Point> series(const std::vector<Point>& points, const std::string& name);
std::vector<std::int64_t> steps_of(const std::vector<Point>& points);

}  // namespace bitsweep::train::testing
