// One worker program as the supervisor sees it: a process with a pipe in (jobs) and a pipe out
// (events). Never blocks, except for reaping a process that was killed.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "run/protocol.h"

namespace bitsweep::run {

// How a process ended: by exit(code), or by a signal (then `signal` is not 0).
struct ExitStatus {
  int code = 0;
  int signal = 0;
};

class WorkerProcess {
 public:
  // Starts `program` with one thread pool of `threads`; standard error comes back by read_log().
  // In a process group of its own, so that Ctrl-C reaches the supervisor alone.
  // Throws EnvironmentError where the program cannot be started.
  WorkerProcess(const std::filesystem::path& program, int threads);
  ~WorkerProcess();  // kills and reaps
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  pid_t pid() const { return pid_; }
  int event_descriptor() const { return events_; }
  int log_descriptor() const { return log_; }

  // False where the worker is gone (its end will show as end of file on the events).
  bool send(const Assignment& assignment);
  bool send(const nlohmann::json& object);
  // The complete lines that have arrived. Lines that are no JSON object are returned as
  // {"event": "garbage", "text": …}. `ended` is set at end of file.
  std::vector<nlohmann::json> read_events(bool& ended);
  // What has arrived on standard error.
  std::string read_log();

  void terminate();  // SIGTERM
  void kill();       // SIGKILL
  ExitStatus reap(); // waits; call after `ended` or kill()

 private:
  pid_t pid_ = -1;
  int jobs_ = -1;
  int events_ = -1;
  int log_ = -1;
  std::string partial_line_;
};

}  // namespace bitsweep::run
