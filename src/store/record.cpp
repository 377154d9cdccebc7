#include "store/record.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "core/error.h"

namespace bitsweep::store {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 6> kStatusNames = {"ok",     "failed",    "running",
                                                          "queued", "preempted", "pruned"};

template <typename T>
json optional_to_json(const std::optional<T>& value) {
  return value ? json(*value) : json();
}

template <typename T>
std::optional<T> optional_from_json(const json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  return found->get<T>();
}

json number_to_json(double value) { return std::isfinite(value) ? json(value) : json(); }

double number_from_json(const json& value) {
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

}  // namespace

std::string_view to_string(Status status) {
  return kStatusNames.at(static_cast<std::size_t>(status));
}

Status status_from_string(std::string_view name) {
  const auto found = std::find(kStatusNames.begin(), kStatusNames.end(), name);
  if (found == kStatusNames.end()) {
    throw StoreError(fmt::format("'{}' is no status of an attempt", name));
  }
  return static_cast<Status>(found - kStatusNames.begin());
}

json to_json(const Membership& membership) {
  json axes = json::array();
  for (const auto& [label, value] : membership.axes) axes.push_back({label, value});
  return {{"sweep", membership.sweep},
          {"name", membership.name},
          {"group", membership.group},
          {"ordinal", membership.ordinal},
          {"axes", std::move(axes)}};
}

Membership membership_from_json(const json& object) {
  Membership out;
  object.at("sweep").get_to(out.sweep);
  object.at("name").get_to(out.name);
  object.at("group").get_to(out.group);
  object.at("ordinal").get_to(out.ordinal);
  for (const json& axis : object.at("axes")) {
    out.axes.emplace_back(axis.at(0).get<std::string>(), axis.at(1));
  }
  return out;
}

json to_json(const ClaimRecord& claim) {
  return {{"id", claim.id},          {"where", claim.where},         {"metric", claim.metric},
          {"value", claim.value},    {"tolerance", claim.tolerance}, {"requires", claim.requires_},
          {"details", claim.details}};
}

ClaimRecord claim_from_json(const json& object) {
  ClaimRecord out;
  object.at("id").get_to(out.id);
  object.at("where").get_to(out.where);
  object.at("metric").get_to(out.metric);
  object.at("value").get_to(out.value);
  object.at("tolerance").get_to(out.tolerance);
  object.at("requires").get_to(out.requires_);
  out.details = object.at("details");
  return out;
}

json to_json(const Failure& failure) {
  return {{"class", failure.failure_class},
          {"message", failure.message},
          {"exit_code", optional_to_json(failure.exit_code)},
          {"signal", optional_to_json(failure.signal)},
          {"details", failure.details}};
}

Failure failure_from_json(const json& object) {
  Failure out;
  object.at("class").get_to(out.failure_class);
  object.at("message").get_to(out.message);
  out.exit_code = optional_from_json<int>(object, "exit_code");
  out.signal = optional_from_json<int>(object, "signal");
  out.details = object.value("details", json());
  return out;
}

json to_json(const MetricPoint& point) {
  json out = {{"name", point.name}, {"value", number_to_json(point.value)}};
  if (point.step) out["step"] = *point.step;
  if (point.epoch) out["epoch"] = *point.epoch;
  if (point.wall_s) out["wall_s"] = *point.wall_s;
  return out;
}

MetricPoint metric_point_from_json(const json& object) {
  MetricPoint out;
  object.at("name").get_to(out.name);
  out.value = number_from_json(object.at("value"));
  out.step = optional_from_json<std::int64_t>(object, "step");
  out.epoch = optional_from_json<double>(object, "epoch");
  out.wall_s = optional_from_json<double>(object, "wall_s");
  return out;
}

std::vector<MetricPoint> points_of_event(const json& event) {
  const std::string kind = event.value("event", "");
  if (kind == "metric") return {metric_point_from_json(event)};
  std::vector<MetricPoint> out;
  if (kind != "metrics") return out;
  const auto wall_s = optional_from_json<double>(event, "wall_s");
  for (const json& point : event.at("points")) {
    out.push_back(metric_point_from_json(point));
    if (!out.back().wall_s) out.back().wall_s = wall_s;
  }
  return out;
}

json finals_from_json(const json& object) {
  if (!object.is_object()) throw DataError("'metrics' is no table");
  for (const auto& [name, value] : object.items()) {
    if (!value.is_number() && !value.is_null()) {
      throw DataError(fmt::format("the metric '{}' is no number: {}", name, value.dump()));
    }
  }
  return object;
}

json to_json(const Artifact& artifact) {
  return {{"name", artifact.name},
          {"path", artifact.path},
          {"bytes", artifact.bytes},
          {"sha256", artifact.sha256}};
}

Artifact artifact_from_json(const json& object) {
  Artifact out;
  object.at("name").get_to(out.name);
  object.at("path").get_to(out.path);
  object.at("bytes").get_to(out.bytes);
  object.at("sha256").get_to(out.sha256);
  return out;
}

json to_json(const AttemptRecord& attempt) {
  json series = json::array();
  for (const MetricPoint& point : attempt.series) series.push_back(to_json(point));
  json bitmaps = json::object();
  for (const Bitmap& bitmap : attempt.bitmaps) {
    bitmaps[bitmap.evaluation] = {{"images", bitmap.images}, {"sha256", bitmap.sha256}};
  }
  json artifacts = json::array();
  for (const Artifact& artifact : attempt.artifacts) artifacts.push_back(to_json(artifact));
  json out = {{"number", attempt.number},
              {"status", to_string(attempt.status)},
              {"failure", attempt.failure ? to_json(*attempt.failure) : json()},
              {"started_ms", attempt.started_ms},
              {"finished_ms", optional_to_json(attempt.finished_ms)},
              {"seconds", optional_to_json(attempt.seconds)},
              {"peak_memory_bytes", optional_to_json(attempt.peak_memory_bytes)},
              {"device", attempt.device},
              {"command", attempt.command},
              {"numerics_version", attempt.numerics_version},
              {"fingerprint", attempt.fingerprint},
              {"metrics", attempt.finals},
              {"series", std::move(series)},
              {"layers", attempt.layers},
              {"bitmaps", std::move(bitmaps)},
              {"artifacts", std::move(artifacts)}};
  if (!attempt.epochs.empty()) out["epochs"] = attempt.epochs;
  if (!attempt.state_sha256.empty()) out["state_sha256"] = attempt.state_sha256;
  if (!attempt.resumed_from.empty()) out["resumed_from"] = attempt.resumed_from;
  return out;
}

AttemptRecord attempt_from_json(const std::string& key, const json& object) {
  AttemptRecord out;
  out.key = key;
  object.at("number").get_to(out.number);
  out.status = status_from_string(object.at("status").get<std::string>());
  if (const json& failure = object.at("failure"); !failure.is_null()) {
    out.failure = failure_from_json(failure);
  }
  object.at("started_ms").get_to(out.started_ms);
  out.finished_ms = optional_from_json<std::int64_t>(object, "finished_ms");
  out.seconds = optional_from_json<double>(object, "seconds");
  out.peak_memory_bytes = optional_from_json<std::uint64_t>(object, "peak_memory_bytes");
  object.at("device").get_to(out.device);
  object.at("command").get_to(out.command);
  out.numerics_version = object.at("numerics_version");
  out.fingerprint = object.at("fingerprint");
  out.finals = finals_from_json(object.at("metrics"));
  for (const json& point : object.at("series")) out.series.push_back(metric_point_from_json(point));
  out.layers = object.at("layers");
  for (const auto& [evaluation, bitmap] : object.at("bitmaps").items()) {
    out.bitmaps.push_back({evaluation,
                           bitmap.at("images").get<std::int64_t>(),
                           bitmap.at("sha256").get<std::string>(),
                           {}});
  }
  for (const json& item : object.at("artifacts")) out.artifacts.push_back(artifact_from_json(item));
  read_training(object, out);
  return out;
}

void read_training(const json& object, AttemptRecord& attempt) {
  attempt.epochs = object.value("epochs", json::array());
  if (!attempt.epochs.is_array()) throw DataError("'epochs' is no list");
  for (const json& epoch : attempt.epochs) {
    if (!epoch.is_object()) throw DataError(fmt::format("an epoch is no table: {}", epoch.dump()));
  }
  attempt.state_sha256 = object.value("state_sha256", "");
  attempt.resumed_from = object.value("resumed_from", "");
}

json to_json(const TrialRecord& trial) {
  json memberships = json::array();
  for (const Membership& membership : trial.memberships) memberships.push_back(to_json(membership));
  return {{"key", trial.key},
          {"canonical", trial.canonical},
          {"config", trial.config},
          {"seed", trial.seed},
          {"memberships", std::move(memberships)}};
}

TrialRecord trial_from_json(const json& object) {
  TrialRecord out;
  object.at("key").get_to(out.key);
  object.at("canonical").get_to(out.canonical);
  out.config = object.at("config");
  object.at("seed").get_to(out.seed);
  for (const json& membership : object.at("memberships")) {
    out.memberships.push_back(membership_from_json(membership));
  }
  if (!is_trial_key(out.key)) throw DataError(fmt::format("'{}' is no trial key", out.key));
  if (!out.config.is_object()) throw DataError("'config' is no table");
  return out;
}

bool is_trial_key(std::string_view text) {
  return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

json to_json(const TrialRecord& trial, const std::vector<AttemptRecord>& attempts) {
  json out = to_json(trial);
  out["schema_version"] = 1;
  out["attempts"] = json::array();
  for (const AttemptRecord& attempt : attempts) out["attempts"].push_back(to_json(attempt));
  return out;
}

std::pair<TrialRecord, std::vector<AttemptRecord>> trial_with_attempts_from_json(const json& line) {
  try {
    if (const json version = line.at("schema_version"); version != 1) {
      throw DataError(fmt::format("is a trial record of schema {}; 1 is known", version.dump()));
    }
    std::pair<TrialRecord, std::vector<AttemptRecord>> out{trial_from_json(line), {}};
    for (const json& attempt : line.at("attempts")) {
      out.second.push_back(attempt_from_json(out.first.key, attempt));
    }
    return out;
  } catch (const json::exception& error) {
    throw DataError(fmt::format("is no trial record: {}", error.what()));
  }
}

}  // namespace bitsweep::store
