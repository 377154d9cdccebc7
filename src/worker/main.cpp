// `bitsweep-worker`: holds LibTorch, the kernels and the data; `bitsweep run` starts one per slot
// and hands it jobs (run/protocol.h). Also answers --versions and --bench for the command.
#include <malloc.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/log.h"
#include "core/text.h"
#include "kernels/cpu.h"
#include "kernels/device.h"
#include "run/parent.h"
#include "run/protocol.h"
#include "worker/attempt.h"
#include "worker/bench_clipping.h"
#include "worker/bench_integer.h"
#include "worker/bench_kernels.h"
#include "worker/bench_ptq.h"
#include "worker/bench_shared.h"
#include "worker/bench_train.h"
#include "worker/questions.h"
#include "worker/stop.h"

namespace bitsweep::worker {
namespace {

// What was standard output. From here on everything else that prints there prints to stderr.
int take_standard_output() {
  const int descriptor = ::dup(STDOUT_FILENO);
  if (descriptor < 0 || ::dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
    throw EnvironmentError(fmt::format("standard output: {}", std::strerror(errno)));
  }
  return descriptor;
}

void write_line(int descriptor, const nlohmann::json& line) {
  const std::string text = line.dump() + "\n";
  for (std::size_t written = 0; written < text.size();) {
    const ssize_t n = ::write(descriptor, text.data() + written, text.size() - written);
    if (n < 0 && errno == EINTR) continue;
    // Nobody listens any more: the supervisor is gone, and with it the reason to work.
    if (n < 0) std::_Exit(static_cast<int>(ExitCode::kPreempted));
    written += static_cast<std::size_t>(n);
  }
}

Train train_on(c10::Device device) {
  return [session = train::Session(device)](const config::TrialConfig& config,
                                            const train::Folders& folders,
                                            const train::Listener& listener,
                                            std::optional<std::int64_t> stop_after_epochs) mutable {
    return session.run(config, folders, listener, stop_after_epochs);
  };
}

// A step takes and frees the same large arrays again and again. By default glibc gives each back to
// the kernel, and its fresh pages cost 18 s of 43 s of processor time in MobileNetV2's training;
// kept, they cost less than 1 %. What a job leaves is given back after it (serve).
void keep_freed_memory() {
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
}

// 0 at the end of the jobs; ExitCode::kPreempted where a training was asked to stop.
int serve(int out) {
  run::die_with_parent();
  const Send send = [out](const nlohmann::json& event) { write_line(out, event); };
  send({{"event", "ready"},
        {"pid", ::getpid()},
        {"libtorch", TORCH_VERSION},
        {"instruction_set", kernels::name(kernels::active_instruction_set())},
        {"device", kernels::cuda_available() ? kernels::cuda_device_name(0) : "cpu"}});
  Worker worker(send, train_on);
  for (std::string line; std::getline(std::cin, line);) {
    const auto message = nlohmann::json::parse(line);
    if (message.contains("question")) {
      answer(message, send);
    } else {
      worker.run(run::assignment_from_json(message));
    }
    ::malloc_trim(0);
    if (stop_signal() != 0) return static_cast<int>(ExitCode::kPreempted);
  }
  send({{"event", "bye"}});
  return 0;
}

nlohmann::json versions() {
  nlohmann::json out = {{"libtorch", TORCH_VERSION},
                        {"instruction_set", kernels::name(kernels::active_instruction_set())}};
  if (kernels::cuda_available()) {
    out["cuda_device"] = kernels::cuda_device_name(0);
  } else {
    out["cuda_reason"] = kernels::built_with_cuda() ? "no CUDA device, or no driver for it"
                                                    : "built without CUDA, since no nvcc was found";
  }
  return out;
}

nlohmann::json bench(const std::vector<std::string>& which, int threads) {
  const auto asked = [&](const char* name) {
    return std::find(which.begin(), which.end(), "all") != which.end() ||
           std::find(which.begin(), which.end(), name) != which.end();
  };
  nlohmann::json rows = nlohmann::json::array();
  if (asked("kernels")) {
    for (auto& row : bench_kernels({.threads = threads})) rows.push_back(std::move(row));
  }
  if (asked("ptq")) {
    for (auto& row : bench_ptq({.threads = threads})) rows.push_back(std::move(row));
    for (auto& row : bench_clipping({.threads = threads})) rows.push_back(std::move(row));
  }
  if (asked("shared")) {
    for (auto& row : bench_shared({.threads = threads})) rows.push_back(std::move(row));
  }
  if (asked("integer")) {
    for (auto& row : bench_integer({})) rows.push_back(std::move(row));
  }
  if (asked("train")) {
    for (auto& row : bench_train({.threads = threads})) rows.push_back(std::move(row));
  }
  return {{"schema_version", 1}, {"rows", rows}};
}

int usage() {
  std::cerr << "usage: bitsweep-worker [--versions | --bench WHAT,… [--threads N]]\n"
               "Without arguments: reads jobs from standard input (bitsweep run starts it so).\n";
  return static_cast<int>(ExitCode::kConfig);
}

int start(const std::vector<std::string>& arguments) {
  const int out = take_standard_output();
  keep_freed_memory();
  if (arguments.empty()) {
    return serve(out);
  }
  if (arguments.size() == 1 && arguments[0] == "--versions") {
    write_line(out, versions());
    return 0;
  }
  const bool threads = arguments.size() == 4 && arguments[2] == "--threads";
  if (arguments[0] == "--bench" && (threads || arguments.size() == 2)) {
    const int count = threads ? std::atoi(arguments[3].c_str()) : 1;
    if (count < 1) return usage();
    write_line(out, bench(split(arguments[1], ','), count));
    return 0;
  }
  return usage();
}

}  // namespace
}  // namespace bitsweep::worker

int main(int argc, char** argv) {
  bitsweep::init_log("worker", spdlog::level::info);
  try {
    return bitsweep::worker::start({argv + 1, argv + argc});
  } catch (const bitsweep::Error& error) {
    spdlog::error("{}", error.what());
    return static_cast<int>(error.exit_code());
  } catch (const std::exception& error) {
    spdlog::error("{}", error.what());
    return static_cast<int>(bitsweep::ExitCode::kTrialFailed);
  }
}
