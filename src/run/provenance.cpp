#include "run/provenance.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <fstream>

#include <fmt/format.h>

#include "core/hash.h"
#include "core/text.h"

extern char** environ;

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
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return "";
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  pid_t pid = -1;
  const int error =
      ::posix_spawnp(&pid, command.at(0).c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::string out;
  if (error == 0) {
    std::array<char, 65536> buffer;
    while (true) {
      const auto got = ::read(ends[0], buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      out.append(buffer.data(), static_cast<std::size_t>(got));
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) out.clear();
  }
  ::close(ends[0]);
  return out;
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
