#include "run/protocol.h"

#include "core/check.h"

namespace bitsweep::run {

nlohmann::json to_json(const Job& job) {
  nlohmann::json out = {{"key", job.key},       {"settings", job.settings},
                        {"paths", job.paths},   {"attempt_folder", job.attempt_folder},
                        {"device", job.device}, {"threads", job.threads},
                        {"resume", job.resume}};
  if (job.stop_after_epochs) out["stop_after_epochs"] = *job.stop_after_epochs;
  return out;
}

Job job_from_json(const nlohmann::json& line) {
  Job job;
  try {
    line.at("key").get_to(job.key);
    job.settings = line.at("settings");
    job.paths = line.at("paths");
    line.at("attempt_folder").get_to(job.attempt_folder);
    line.at("device").get_to(job.device);
    line.at("threads").get_to(job.threads);
    line.at("resume").get_to(job.resume);
    if (line.contains("stop_after_epochs")) {
      line.at("stop_after_epochs").get_to(job.stop_after_epochs.emplace());
    }
  } catch (const nlohmann::json::exception& error) {
    throw ConfigError(fmt::format("a job that is not one: {}", error.what()));
  }
  return job;
}

std::string to_string(FailureClass failure) {
  switch (failure) {
    case FailureClass::oom_host:
      return "oom_host";
    case FailureClass::oom_cuda:
      return "oom_cuda";
    case FailureClass::timeout:
      return "timeout";
    case FailureClass::diverged:
      return "diverged";
    case FailureClass::crash:
      return "crash";
    case FailureClass::preempted:
      return "preempted";
    case FailureClass::user:
      return "user";
    case FailureClass::config:
      return "config";
    case FailureClass::data:
      return "data";
  }
  BITSWEEP_CHECK(false, "failure class {}", static_cast<int>(failure));
}

}  // namespace bitsweep::run
