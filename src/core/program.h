// Other programs, run to their end without a shell.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace bitsweep {

struct ProgramResult {
  int exit_code = 0;   // 128 + signal where a signal ended it
  std::string output;  // standard output, and standard error with MessagesTo::output
  bool ok() const { return exit_code == 0; }
};

enum class MessagesTo { output, nowhere };

// Runs command[0], found on the PATH, with the other words as they are, nothing to read, in
// `folder` ("": here). nullopt where it cannot be started: mostly because it is not installed.
std::optional<ProgramResult> run_program(const std::vector<std::string>& command,
                                         const std::filesystem::path& folder = {},
                                         MessagesTo messages = MessagesTo::output);

}  // namespace bitsweep
