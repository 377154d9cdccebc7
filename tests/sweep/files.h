// Sweep files written for one test, in a folder of their own that goes with it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "sweep/expand.h"
#include "sweep/overrides.h"
#include "sweep/sweep.h"

namespace bitsweep::sweep {

class Files {
 public:
  Files() {
    std::string pattern = (std::filesystem::temp_directory_path() / "bitsweep-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
  }
  ~Files() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  std::filesystem::path write(std::string_view name, std::string_view text) const {
    write_file_atomic(folder_ / name, text);
    return folder_ / name;
  }
  // Writes and loads "s.toml".
  SweepFile load(std::string_view text) const { return load_sweep(write("s.toml", text)); }
  const std::filesystem::path& folder() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

inline std::vector<std::string> names(const Expansion& expansion) {
  std::vector<std::string> out;
  for (const Point& point : expansion.points) out.push_back(point.name);
  return out;
}

inline std::string bare(const Point& point, std::string_view key) {
  return config::format_bare(point.settings.get(key));
}

}  // namespace bitsweep::sweep
