#include "run/ask.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>

#include "core/error.h"
#include "run/worker_process.h"

namespace bitsweep::run {
namespace {

using nlohmann::json;

// Prints progress where somebody watches.
void show_progress(const json& event) {
  if (::isatty(STDERR_FILENO) == 0) return;
  std::fprintf(stderr, "\r%s %lld of %lld images ", event.value("phase", "").c_str(),
               static_cast<long long>(event.value("done", std::int64_t{0})),
               static_cast<long long>(event.value("total", std::int64_t{0})));
  if (event.value("done", 0) == event.value("total", 1)) std::fputs("\r\033[K", stderr);
}

[[noreturn]] void rethrow(const json& event) {
  throw Error(event.at("message").get<std::string>(),
              static_cast<ExitCode>(event.at("exit_code").get<int>()));
}

}  // namespace

json ask_worker(const std::filesystem::path& program, const json& question) {
  WorkerProcess worker(program, question.value("threads", 1));
  const bool sent = worker.send(question);
  std::optional<json> answer;
  std::string log;
  for (bool ended = !sent; !ended;) {
    pollfd watched[] = {{worker.event_descriptor(), POLLIN, 0},
                        {worker.log_descriptor(), POLLIN, 0}};
    if (::poll(watched, 2, 500) < 0 && errno != EINTR) break;
    log += worker.read_log();
    for (const json& event : worker.read_events(ended)) {
      const std::string word = event.value("event", "");
      if (word == "progress") show_progress(event);
      if (word == "refused") rethrow(event);
      if (word == "answer") answer = event;
    }
    if (answer) return *answer;
  }
  const ExitStatus status = worker.reap();
  log += worker.read_log();
  throw EnvironmentError(fmt::format("{} ended without an answer ({} {}){}{}", program.string(),
                                     status.signal != 0 ? "signal" : "exit code",
                                     status.signal != 0 ? status.signal : status.code,
                                     log.empty() ? "" : ": ", log));
}

}  // namespace bitsweep::run
