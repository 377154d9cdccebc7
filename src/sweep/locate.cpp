#include "sweep/locate.h"

#include <algorithm>

#include "core/error.h"
#include "core/hash.h"
#include "core/text.h"
#include "data/source.h"

namespace bitsweep::sweep {
namespace fs = std::filesystem;
namespace {

std::vector<fs::path> weight_candidates(const fs::path& named, const fs::path& folder) {
  if (named.is_absolute()) return {named};
  std::vector<fs::path> out = {folder / named};
  for (const fs::path& root : data::search_path("")) {
    for (const char* subfolder : {"", "weights_cifar10", "weights_imagenet"}) {
      out.push_back(root / subfolder / named);
    }
  }
  return out;
}

// The files of a split up to the one that holds image `images` − 1.
std::string missing_of_split(const data::Dataset& dataset, data::Split split, std::int64_t images,
                             const std::string& root) {
  for (const data::RecordFile& file : dataset.split(split).files) {
    if (images <= 0) break;
    images -= file.images;
    try {
      static_cast<void>(data::require_file(dataset, file, root));
    } catch (const DataError& error) {
      return error.what();
    }
  }
  return "";
}

}  // namespace

const LocatedFile& Locator::weights(const std::string& named, const fs::path& folder) {
  const auto [it, is_new] = weights_.try_emplace({named, folder.string()});
  if (!is_new) return it->second;
  LocatedFile& found = it->second;
  std::vector<std::string> looked_in;
  for (const fs::path& candidate : weight_candidates(named, folder)) {
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored)) {
      found.path = fs::absolute(candidate).lexically_normal();
      found.sha256 = sha256_file(candidate);
      return found;
    }
    std::string place = candidate.parent_path().lexically_normal().string();
    if (place.empty()) place = ".";
    if (std::find(looked_in.begin(), looked_in.end(), place) == looked_in.end()) {
      looked_in.push_back(std::move(place));
    }
  }
  found.looked_in = join(looked_in, ", ");
  return found;
}

const std::string& Locator::missing_data(const data::Dataset& dataset,
                                         const config::TrialConfig& trial) {
  const ImagesRead read = images_read(dataset, trial);
  const auto [it, is_new] =
      missing_.try_emplace({dataset.name, trial.data.root, read.train, read.test});
  if (!is_new) return it->second;
  it->second = missing_of_split(dataset, data::Split::test, read.test, trial.data.root);
  if (it->second.empty()) {
    it->second = missing_of_split(dataset, data::Split::train, read.train, trial.data.root);
  }
  return it->second;
}

std::string dataset_digest(const data::Dataset& dataset) {
  return sha256_hex(dataset.train.digest + dataset.test.digest);
}

ImagesRead images_read(const data::Dataset& dataset, const config::TrialConfig& trial) {
  const bool is_whole = trial.data.subset == "stratified";
  const auto limit = [&](const std::optional<std::int64_t>& asked, const data::SplitFiles& split) {
    return asked && !is_whole ? std::min(*asked, split.images()) : split.images();
  };
  ImagesRead out;
  const bool validates = trial.eval.split == config::EvalSplit::validation;
  if (!validates) out.test = limit(trial.data.test_images, dataset.test);
  const config::CalibrationConfig& calibration = trial.quant.calibration;
  if (trial.kind == config::TrialKind::train || validates) {
    out.train = limit(trial.data.train_images, dataset.train);
  } else if (config::calibrates(trial) && calibration.source == "train") {
    // Drawn at random they may lie anywhere among the training images.
    out.train = limit(trial.data.train_images, dataset.train);
    if (calibration.order == "first" && !is_whole)
      out.train = std::min(out.train, calibration.images);
  }
  return out;
}

}  // namespace bitsweep::sweep
