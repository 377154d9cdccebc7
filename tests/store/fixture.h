// What the store's tests share: a folder of their own, and trials and results made up by number.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/error.h"
#include "store/folder.h"
#include "store/store.h"

namespace bitsweep::store {

// A new empty folder, removed with everything in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// Trial i of sweep "demo": axes method = "m<i>" and bits = i, seed i % 2; its key is the SHA-256 of
// its canonical form.
TrialRecord make_trial(int i, const std::string& sweep = "demo");
std::vector<TrialRecord> make_trials(int count, const std::string& sweep = "demo");
SweepRecord make_sweep(const std::string& name = "demo",
                       const std::string& text = "name = \"demo\"");

// What a worker leaves behind: a bitmap of 10 images and result.json with top1 = `top1`.
void write_result(const Attempt& attempt, double top1);

// Begins and ends one attempt.
AttemptRecord run_ok(Store& store, const std::string& key, double top1);
AttemptRecord run_failed(Store& store, const std::string& key, const std::string& failure_class);

}  // namespace bitsweep::store
