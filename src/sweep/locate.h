// Where the weights and data sets that configurations name lie on this machine. Each is looked up
// once in a locator's life.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "config/trial.h"
#include "data/dataset.h"

namespace bitsweep::sweep {

struct LocatedFile {
  std::filesystem::path path;  // absolute; empty where the file is not there
  std::string sha256;          // of its content; empty likewise
  std::string looked_in;       // "a, b, c": the places, for messages
};

class Locator {
 public:
  // A weight file: as an absolute path; else relative to `folder`, where the file that names it
  // stands ("" = the working folder); else in each folder of the data search path (data/source.h)
  // and its subfolders weights_cifar10 and weights_imagenet.
  const LocatedFile& weights(const std::string& named, const std::filesystem::path& folder);

  // What is missing of the images that `trial` reads: one sentence that says where it looked and
  // how to get them, or "". A data set of which some files are there may still be damaged.
  const std::string& missing_data(const data::Dataset& dataset, const config::TrialConfig& trial);

 private:
  std::map<std::pair<std::string, std::string>, LocatedFile> weights_;
  std::map<std::tuple<std::string, std::string, std::int64_t, std::int64_t>, std::string> missing_;
};

// A data set's part in identity: the SHA-256 over the digests of its decoded training and test
// records, however they are stored.
std::string dataset_digest(const data::Dataset& dataset);

// Images of each split that the trial reads, from the first in file order on.
struct ImagesRead {
  std::int64_t train = 0;
  std::int64_t test = 0;
};
ImagesRead images_read(const data::Dataset& dataset, const config::TrialConfig& trial);

}  // namespace bitsweep::sweep
