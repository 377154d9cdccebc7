// The errors that bitsweep throws, and the exit code that each becomes (docs/cli.md, "Exit codes").
// Expected outcomes (a skipped point, a diverged training) are values, not exceptions.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <utility>

namespace bitsweep {

enum class ExitCode : int {
  kOk = 0,
  kTrialFailed = 1,
  kConfig = 2,  // usage, too
  kClaimMissed = 3,
  kStore = 4,
  kEnvironment = 5,
  kPreempted = 75,
  kInterrupted = 130,
  kTerminated = 143,
};

// Base of all. The message is one sentence: what, which value, what was expected, where.
class Error : public std::runtime_error {
 public:
  explicit Error(std::string message, ExitCode exit_code = ExitCode::kTrialFailed)
      : std::runtime_error(std::move(message)), exit_code_(exit_code) {}
  ExitCode exit_code() const { return exit_code_; }

 private:
  ExitCode exit_code_;
};

// A command line, sweep file or configuration that cannot be meant.
struct ConfigError : Error {
  explicit ConfigError(std::string message) : Error(std::move(message), ExitCode::kConfig) {}
};

// Data, weights or images that are missing, damaged or of another network.
struct DataError : Error {
  explicit DataError(std::string message) : Error(std::move(message), ExitCode::kEnvironment) {}
};

// A machine without what was asked for: no CUDA device, no worker program, a folder not writable.
struct EnvironmentError : Error {
  explicit EnvironmentError(std::string message)
      : Error(std::move(message), ExitCode::kEnvironment) {}
};

// A database that is busy, damaged or written by a newer bitsweep.
struct StoreError : Error {
  explicit StoreError(std::string message) : Error(std::move(message), ExitCode::kStore) {}
};

// A programmer's mistake, thrown by BITSWEEP_CHECK (core/check.h).
struct InternalError : Error {
  using Error::Error;
};

}  // namespace bitsweep
