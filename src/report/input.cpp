#include "report/input.h"

namespace bitsweep::report {

const store::AttemptRecord* Run::shown() const {
  const store::AttemptRecord* latest = nullptr;
  const store::AttemptRecord* success = nullptr;
  for (const store::AttemptRecord& attempt : attempts) {
    latest = &attempt;
    if (attempt.status == store::Status::ok) success = &attempt;
  }
  return success != nullptr ? success : latest;
}

store::Status Run::status() const {
  const store::AttemptRecord* attempt = shown();
  return attempt != nullptr ? attempt->status : store::Status::queued;
}

nlohmann::json Run::row() const {
  nlohmann::json row = trial.config;
  for (const auto& [label, value] : membership().axes) row[label] = value;
  if (const store::AttemptRecord* attempt = shown()) {
    for (const auto& [name, value] : attempt->finals.items()) row[name] = value;
    if (attempt->seconds) row["seconds"] = *attempt->seconds;
  }
  row["key"] = trial.key;
  row["name"] = membership().name;
  row["status"] = std::string(store::to_string(status()));
  row["seed"] = trial.seed;
  return row;
}

}  // namespace bitsweep::report
