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

Job job_from_json(const nlohmann::json& job) {
  Job out;
  try {
    job.at("key").get_to(out.key);
    out.settings = job.at("settings");
    out.paths = job.at("paths");
    job.at("attempt_folder").get_to(out.attempt_folder);
    job.at("device").get_to(out.device);
    job.at("threads").get_to(out.threads);
    job.at("resume").get_to(out.resume);
    if (job.contains("stop_after_epochs")) {
      job.at("stop_after_epochs").get_to(out.stop_after_epochs.emplace());
    }
  } catch (const nlohmann::json::exception& error) {
    throw ConfigError(fmt::format("a job that is not one: {}", error.what()));
  }
  return out;
}

nlohmann::json to_json(const Assignment& assignment) {
  nlohmann::json jobs = nlohmann::json::array();
  for (const Job& job : assignment.jobs) jobs.push_back(to_json(job));
  return {{"jobs", std::move(jobs)}, {"cache_bytes", assignment.cache_bytes}};
}

Assignment assignment_from_json(const nlohmann::json& line) {
  Assignment out;
  try {
    for (const nlohmann::json& job : line.at("jobs")) out.jobs.push_back(job_from_json(job));
    line.at("cache_bytes").get_to(out.cache_bytes);
  } catch (const nlohmann::json::exception& error) {
    throw ConfigError(fmt::format("an assignment that is not one: {}", error.what()));
  }
  return out;
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
