// Runs the built `bitsweep` as a user would, for tests of the commands.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace bitsweep::test {

struct Outcome {
  int exit_code = -1;  // 128 + signal where a signal ended it
  std::string out;
  std::string err;
};

// `bitsweep ARGUMENTS…` in `folder`, with no terminal.
Outcome run_bitsweep(const std::vector<std::string>& arguments, const std::filesystem::path& folder);

// The same, but returns at once with its process.
pid_t start_bitsweep(const std::vector<std::string>& arguments, const std::filesystem::path& folder);

// A folder that is removed with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  // Writes a file below the folder and returns its path.
  std::filesystem::path write(const std::string& name, std::string_view content) const;

 private:
  std::filesystem::path path_;
};

}  // namespace bitsweep::test
