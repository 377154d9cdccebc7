#include "cli/locations.h"

#include <cstdlib>

namespace bitsweep::cli {

std::filesystem::path worker_program() {
  if (const char* named = std::getenv("BITSWEEP_WORKER"); named != nullptr && *named != '\0') {
    return named;
  }
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return (error ? std::filesystem::path(".") : self.parent_path()) / "bitsweep-worker";
}

}  // namespace bitsweep::cli
