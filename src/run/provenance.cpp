#include "run/provenance.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

#include <fmt/format.h>

#include "core/hash.h"
#include "core/program.h"
#include "core/text.h"

namespace bitsweep::run {
namespace {

constexpr std::size_t kMaxPatch = 1u << 20;

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const auto colon = line.find(':');
    if (colon != std::string::npos) return std::string(trim(line.substr(colon + 1)));
  }
  return "unknown";
}

}  // namespace

std::string output_of(const std::vector<std::string>& command) {
  const auto result = run_program(command, {}, MessagesTo::nowhere);
  return result && result->ok() ? result->output : "";
}

nlohmann::json capture_environment(const std::string& version, const std::vector<std::string>& command) {
  nlohmann::json out;
  out["bitsweep_version"] = version;
  out["command"] = join(command, " ");
  out["cpu"] = cpu_model();
  out["cores"] = ::sysconf(_SC_NPROCESSORS_ONLN);
  out["memory_bytes"] = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
  utsname system{};
  if (::uname(&system) == 0) {
    out["system"] = fmt::format("{} {} {}", system.sysname, system.release, system.machine);
  }
  const std::string revision(trim(output_of({"git", "rev-parse", "HEAD"})));
  if (!revision.empty()) {
    out["git_revision"] = revision;
    const std::string patch = output_of({"git", "diff", "HEAD", "--no-ext-diff", "--no-color"});
    if (!patch.empty()) {
      out["git_patch_sha256"] = sha256_hex(patch);
      out["git_patch"] = patch.substr(0, kMaxPatch);
    }
  }
  return out;
}

}  // namespace bitsweep::run
