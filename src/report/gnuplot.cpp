#include "report/gnuplot.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/text.h"

namespace bitsweep::report {
namespace {

constexpr std::chrono::seconds kTimeLimit{60};

class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {
    if (descriptor < 0) {
      throw EnvironmentError(fmt::format("cannot talk to gnuplot: {}", std::strerror(errno)));
    }
  }
  Descriptor(Descriptor&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() { close(); }
  int get() const { return descriptor_; }
  void close() {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = -1;
  }

 private:
  int descriptor_;
};

// A nameless file in memory. Script and messages pass through files, so that only the picture is a
// pipe and nobody waits for anybody.
Descriptor memory_file(std::string_view content) {
  Descriptor file(::memfd_create("gnuplot", MFD_CLOEXEC));
  while (!content.empty()) {
    const auto wrote = ::write(file.get(), content.data(), content.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0)
      throw EnvironmentError(fmt::format("gnuplot's script: {}", std::strerror(errno)));
    content.remove_prefix(static_cast<std::size_t>(wrote));
  }
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

std::string read_from_start(const Descriptor& file) {
  std::string out;
  std::array<char, 4096> buffer;
  ::lseek(file.get(), 0, SEEK_SET);
  for (ssize_t got; (got = ::read(file.get(), buffer.data(), buffer.size())) > 0;) {
    out.append(buffer.data(), static_cast<std::size_t>(got));
  }
  return out;
}

pid_t start_gnuplot(const Descriptor& script, const Descriptor& picture,
                    const Descriptor& messages) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, script.get(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, picture.get(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, messages.get(), STDERR_FILENO);
  // Only what cairo and fontconfig need: nothing of the user's locale or gnuplot settings.
  std::vector<std::string> environment{"LC_ALL=C.UTF-8"};
  for (const char* name : {"PATH", "HOME", "XDG_CACHE_HOME", "FONTCONFIG_PATH"}) {
    if (const char* value = std::getenv(name))
      environment.push_back(std::string(name) + "=" + value);
  }
  std::vector<char*> envp;
  for (std::string& entry : environment) envp.push_back(entry.data());
  envp.push_back(nullptr);
  std::string program = "gnuplot";
  std::string no_startup_file = "--default-settings";
  std::array<char*, 3> argv{program.data(), no_startup_file.data(), nullptr};
  pid_t pid = -1;
  const int error =
      ::posix_spawnp(&pid, program.c_str(), &actions, nullptr, argv.data(), envp.data());
  ::posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) {
    throw EnvironmentError(
        "gnuplot is not installed; the plots need it: apt-get install gnuplot-nox");
  }
  if (error != 0) {
    throw EnvironmentError(fmt::format("gnuplot cannot be started: {}", std::strerror(error)));
  }
  return pid;
}

// Everything until the writer closes, or nothing where that takes longer than kTimeLimit.
bool read_all(const Descriptor& pipe, std::string& out) {
  const auto end = std::chrono::steady_clock::now() + kTimeLimit;
  std::array<char, 1 << 16> buffer;
  while (true) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        end - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd ready{pipe.get(), POLLIN, 0};
    const int count = ::poll(&ready, 1, static_cast<int>(left.count()));
    if (count < 0 && errno != EINTR) return false;
    if (count <= 0) continue;
    const auto got = ::read(pipe.get(), buffer.data(), buffer.size());
    if (got == 0) return true;
    if (got > 0) out.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

std::string run_gnuplot(const std::string& text) {
  Descriptor script = memory_file(text);
  Descriptor messages = memory_file("");
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) ends = {-1, -1};
  Descriptor from(ends[0]);
  Descriptor to(ends[1]);
  const pid_t pid = start_gnuplot(script, to, messages);
  to.close();
  std::string picture;
  const bool complete = read_all(from, picture);
  if (!complete) ::kill(pid, SIGKILL);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!complete) {
    throw EnvironmentError(fmt::format("gnuplot did not finish in {} s", kTimeLimit.count()));
  }
  const std::string said(trim(read_from_start(messages)));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || picture.empty()) {
    throw EnvironmentError("gnuplot failed: " + (said.empty() ? "it said nothing" : said));
  }
  return picture;
}

std::string quoted(std::string_view text, bool is_format) {
  std::string out = "'";
  for (const char c : text) {
    const auto code = static_cast<unsigned char>(c);
    if (c == '\n' || c == '\t') {
      out += ' ';
    } else if (code < 0x20 || code == 0x7F || c == '`') {
      continue;
    } else {
      if (c == '\'' || (is_format && c == '%')) out += c;
      out += c;
    }
  }
  return out + "'";
}

}  // namespace

std::string gnuplot_string(std::string_view text) { return quoted(text, /*is_format=*/false); }

std::string gnuplot_tic(std::string_view text) { return quoted(text, /*is_format=*/true); }

std::string draw_png(const Picture& picture) {
  return run_gnuplot(fmt::format(
      "set encoding utf8\n"
      "set terminal pngcairo noenhanced size {},{} font 'DejaVu Sans,12' background '#ffffff'\n{}",
      picture.width, picture.height, picture.script));
}

std::string draw_svg(const Picture& picture) {
  // `name` keeps identifiers the same whatever else was drawn.
  return run_gnuplot(
      fmt::format("set encoding utf8\n"
                  "set terminal svg noenhanced size {},{} font 'DejaVu Sans,Verdana,sans-serif,16' "
                  "background '#ffffff' name 'bitsweep'\n{}",
                  picture.width, picture.height, picture.script));
}

}  // namespace bitsweep::report
