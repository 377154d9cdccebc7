#include "program.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>

#include "core/file.h"

namespace bitsweep::test {

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "bitsweep-cli-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path TemporaryFolder::write(const std::string& name, std::string_view content) const {
  const auto path = path_ / name;
  write_file_atomic(path, content);
  return path;
}

namespace {

pid_t start(const std::vector<std::string>& arguments, const std::filesystem::path& folder,
            const std::filesystem::path& out, const std::filesystem::path& err) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  if (::chdir(folder.c_str()) != 0) ::_exit(126);
  ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
  ::dup2(::open(out.c_str(), O_WRONLY | O_CREAT, 0644), STDOUT_FILENO);
  ::dup2(::open(err.c_str(), O_WRONLY | O_CREAT, 0644), STDERR_FILENO);
  std::vector<char*> words = {const_cast<char*>(BITSWEEP_PROGRAM)};
  for (const std::string& argument : arguments) words.push_back(const_cast<char*>(argument.c_str()));
  words.push_back(nullptr);
  ::setenv("COLUMNS", "80", 1);
  ::execv(BITSWEEP_PROGRAM, words.data());
  ::_exit(127);
}

}  // namespace

pid_t start_bitsweep(const std::vector<std::string>& arguments, const std::filesystem::path& folder) {
  return start(arguments, folder, "/dev/null", "/dev/null");
}

Outcome run_bitsweep(const std::vector<std::string>& arguments, const std::filesystem::path& folder) {
  const TemporaryFolder streams;
  const auto out = streams.path() / "out";
  const auto err = streams.path() / "err";
  const pid_t pid = start(arguments, folder, out, err);
  int status = 0;
  ::waitpid(pid, &status, 0);
  Outcome outcome;
  outcome.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  outcome.out = read_text_file(out);
  outcome.err = read_text_file(err);
  return outcome;
}

}  // namespace bitsweep::test
