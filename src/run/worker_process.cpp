#include "run/worker_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <string_view>

#include "core/error.h"

extern char** environ;

namespace bitsweep::run {
namespace {

constexpr std::size_t kMaxLine = 64u << 20;  // a protocol line longer than this is garbage

struct Pipe {
  int read_end = -1;
  int write_end = -1;
};

Pipe make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    throw EnvironmentError(fmt::format("a pipe cannot be made: {}", std::strerror(errno)));
  }
  return {ends[0], ends[1]};
}

void close_if_open(int& descriptor) {
  if (descriptor >= 0) ::close(descriptor);
  descriptor = -1;
}

// The parent's environment with what a worker needs to be fast and to keep to its core: LibTorch
// allocates and frees large blocks for every batch, and returning their pages to the system each
// time costs a third of the time (docs/decisions/0003).
std::vector<std::string> worker_environment(int threads) {
  std::vector<std::string> out;
  const std::array<std::string, 5> ours = {
      fmt::format("OMP_NUM_THREADS={}", threads), fmt::format("MKL_NUM_THREADS={}", threads),
      "MALLOC_MMAP_MAX_=0", "MALLOC_TRIM_THRESHOLD_=4294967296", "MALLOC_ARENA_MAX=2"};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    bool replaced = false;
    for (const std::string& own : ours) {
      const auto name_end = own.find('=') + 1;
      replaced = replaced || text.substr(0, name_end) == std::string_view(own).substr(0, name_end);
    }
    if (!replaced) out.emplace_back(text);
  }
  out.insert(out.end(), ours.begin(), ours.end());
  return out;
}

}  // namespace

WorkerProcess::WorkerProcess(const std::filesystem::path& program, int threads) {
  if (::access(program.c_str(), X_OK) != 0) {
    throw EnvironmentError(fmt::format("{}: the worker program is not there or not executable ({})",
                                       program.string(), std::strerror(errno)));
  }
  Pipe jobs = make_pipe();
  Pipe events = make_pipe();
  Pipe log = make_pipe();

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, jobs.read_end, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, events.write_end, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, log.write_end, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE, SIGHUP}) sigaddset(&defaults, signal);
  sigset_t unblocked;
  sigemptyset(&unblocked);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setsigmask(&attributes, &unblocked);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                            POSIX_SPAWN_SETSIGMASK);

  const std::string name = program.string();
  std::array<char*, 2> arguments = {const_cast<char*>(name.c_str()), nullptr};
  const std::vector<std::string> environment = worker_environment(threads);
  std::vector<char*> environment_pointers;
  for (const std::string& entry : environment) {
    environment_pointers.push_back(const_cast<char*>(entry.c_str()));
  }
  environment_pointers.push_back(nullptr);
  const int error = ::posix_spawn(&pid_, name.c_str(), &actions, &attributes, arguments.data(),
                                  environment_pointers.data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  close_if_open(jobs.read_end);
  close_if_open(events.write_end);
  close_if_open(log.write_end);
  jobs_ = jobs.write_end;
  events_ = events.read_end;
  log_ = log.read_end;
  if (error != 0) {
    close_if_open(jobs_);
    close_if_open(events_);
    close_if_open(log_);
    pid_ = -1;
    throw EnvironmentError(fmt::format("{}: cannot be started: {}", name, std::strerror(error)));
  }
  ::fcntl(events_, F_SETFL, O_NONBLOCK);
  ::fcntl(log_, F_SETFL, O_NONBLOCK);
}

WorkerProcess::~WorkerProcess() {
  close_if_open(jobs_);
  if (pid_ > 0) {
    kill();
    reap();
  }
  close_if_open(events_);
  close_if_open(log_);
}

bool WorkerProcess::send(const Assignment& assignment) { return send(to_json(assignment)); }

bool WorkerProcess::send(const nlohmann::json& object) {
  const std::string line = object.dump() + "\n";
  std::size_t at = 0;
  while (at < line.size()) {
    const auto wrote = ::write(jobs_, line.data() + at, line.size() - at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return false;
    at += static_cast<std::size_t>(wrote);
  }
  return true;
}

std::vector<nlohmann::json> WorkerProcess::read_events(bool& ended) {
  std::array<char, 65536> buffer;
  ended = false;
  while (true) {
    const auto got = ::read(events_, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) ended = true;
    if (got <= 0) break;
    partial_line_.append(buffer.data(), static_cast<std::size_t>(got));
    if (partial_line_.size() > kMaxLine) partial_line_.clear();
  }
  std::vector<nlohmann::json> out;
  std::size_t begin = 0;
  for (auto end = partial_line_.find('\n'); end != std::string::npos;
       end = partial_line_.find('\n', begin)) {
    const std::string_view text = std::string_view(partial_line_).substr(begin, end - begin);
    begin = end + 1;
    auto event = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (!event.is_object() || !event.contains("event")) {
      event = {{"event", "garbage"}, {"text", std::string(text.substr(0, 200))}};
    }
    out.push_back(std::move(event));
  }
  partial_line_.erase(0, begin);
  return out;
}

std::string WorkerProcess::read_log() {
  std::string out;
  std::array<char, 16384> buffer;
  while (true) {
    const auto got = ::read(log_, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return out;
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

void WorkerProcess::terminate() {
  if (pid_ > 0) ::kill(pid_, SIGTERM);
}

void WorkerProcess::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
}

ExitStatus WorkerProcess::reap() {
  ExitStatus out;
  int status = 0;
  while (pid_ > 0) {
    const pid_t got = ::waitpid(pid_, &status, 0);
    if (got < 0 && errno == EINTR) continue;
    pid_ = -1;
    if (got > 0 && WIFSIGNALED(status)) out.signal = WTERMSIG(status);
    if (got > 0 && WIFEXITED(status)) out.code = WEXITSTATUS(status);
  }
  return out;
}

}  // namespace bitsweep::run
