#include "store/folder.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include "core/error.h"
#include "core/file.h"
#include "core/hash.h"

namespace bitsweep::store {
namespace {

using nlohmann::json;
namespace fs = std::filesystem;

constexpr int kSchemaVersion = 1;
constexpr const char* kAttemptFile = "attempt.json";
constexpr const char* kEventsFile = "events.jsonl";
constexpr const char* kResultFile = "result.json";
constexpr const char* kFailureFile = "failure.json";

// Runs `read` on the file's JSON, and adds the file's name to whatever is wrong with it.
template <typename Read>
auto read_json_file(const fs::path& path, Read&& read) {
  const std::string text = read_text_file(path, 1ull << 30);
  try {
    const json document = json::parse(text);
    if (const json version = document.at("schema_version"); version != kSchemaVersion) {
      throw DataError(fmt::format("is of schema {}; {} is known", version.dump(), kSchemaVersion));
    }
    return read(document);
  } catch (const json::exception& error) {
    throw DataError(fmt::format("{}: {}", path.string(), error.what()));
  } catch (const Error& error) {
    throw DataError(fmt::format("{}: {}", path.string(), error.what()));
  }
}

std::int64_t modified_ms(const fs::path& path) {
  const auto time = std::chrono::file_clock::to_sys(fs::last_write_time(path));
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

Bitmap read_bitmap(const fs::path& folder, const std::string& evaluation, const json& entry) {
  Bitmap out{evaluation,
             entry.at("images").get<std::int64_t>(),
             entry.at("sha256").get<std::string>(),
             {}};
  if (!entry.contains("file")) return out;  // imported: only the digest is known
  const std::string file = entry.at("file").get<std::string>();
  if (fs::path(file).filename() != file) {
    throw DataError(fmt::format("the bitmap '{}' lies outside the attempt's folder", file));
  }
  out.bits = read_binary_file(folder / file, 1ull << 30);
  const auto expected = static_cast<std::size_t>((out.images + 7) / 8);
  if (out.images < 0 || out.bits.size() != expected) {
    throw DataError(fmt::format("{} is {} bytes; {} images take {}", file, out.bits.size(),
                                out.images, expected));
  }
  if (const std::string digest = sha256_hex(out.bits); digest != out.sha256) {
    throw DataError(fmt::format("{} has the SHA-256 {}, not {}", file, digest, out.sha256));
  }
  return out;
}

void read_result(const fs::path& folder, AttemptRecord& attempt) {
  const fs::path path = folder / kResultFile;
  read_json_file(path, [&](const json& result) {
    if (const auto key = result.at("key").get<std::string>(); key != attempt.key) {
      throw DataError(fmt::format("is the result of trial {}, not {}", key, attempt.key));
    }
    attempt.status = status_from_string(result.at("status").get<std::string>());
    if (attempt.status != Status::ok && attempt.status != Status::pruned) {
      throw DataError(
          fmt::format("has the status '{}'; a result is ok or pruned", to_string(attempt.status)));
    }
    attempt.finals = finals_from_json(result.at("metrics"));
    attempt.seconds = result.at("seconds").get<double>();
    if (result.contains("peak_memory_bytes")) {
      attempt.peak_memory_bytes = result.at("peak_memory_bytes").get<std::uint64_t>();
    }
    attempt.fingerprint.update(result.at("fingerprint"));
    attempt.numerics_version = result.value("numerics_version", json());
    attempt.layers = result.value("layers", json::array());
    read_training(result, attempt);
    const json bitmaps = result.value("bitmaps", json::object());
    for (const auto& [evaluation, entry] : bitmaps.items()) {
      attempt.bitmaps.push_back(read_bitmap(folder, evaluation, entry));
    }
    for (const json& artifact : result.value("artifacts", json::array())) {
      attempt.artifacts.push_back(artifact_from_json(artifact));
    }
    std::sort(attempt.artifacts.begin(), attempt.artifacts.end(),
              [](const Artifact& a, const Artifact& b) { return a.name < b.name; });
    attempt.finished_ms = result.value("finished_ms", modified_ms(path));
  });
}

void read_failure(const fs::path& path, AttemptRecord& attempt) {
  read_json_file(path, [&](const json& document) {
    attempt.failure = failure_from_json(document);
    attempt.status =
        attempt.failure->failure_class == "preempted" ? Status::preempted : Status::failed;
    document.at("finished_ms").get_to(attempt.finished_ms.emplace());
  });
}

// The points of the series. A last line that a crash cut short is no point.
std::vector<MetricPoint> read_events(const fs::path& path) {
  std::vector<MetricPoint> out;
  if (!fs::exists(path)) return out;
  const std::string text = read_text_file(path, 4ull << 30);
  std::size_t line_number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = text.find('\n', at);
    if (end == std::string::npos) break;
    ++line_number;
    const auto line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    try {
      for (MetricPoint& point : points_of_event(json::parse(line))) out.push_back(std::move(point));
    } catch (const json::exception& error) {
      throw DataError(fmt::format("{}:{}: {}", path.string(), line_number, error.what()));
    }
  }
  return out;
}

bool is_free(const fs::path& lock) {
  std::error_code error;
  return !fs::exists(lock, error) || FileLock::try_acquire(lock).has_value();
}

std::optional<std::int64_t> parse_number(const std::string& text) {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stop != end || number < 1) return std::nullopt;
  return number;
}

std::string indented(const json& document) {
  return document.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace

std::pair<TrialRecord, AttemptRecord> read_attempt_folder(const fs::path& folder) {
  TrialRecord trial;
  AttemptRecord attempt;
  read_json_file(folder / kAttemptFile, [&](const json& document) {
    trial = trial_from_json(document);
    attempt.key = trial.key;
    document.at("number").get_to(attempt.number);
    document.at("started_ms").get_to(attempt.started_ms);
    document.at("device").get_to(attempt.device);
    document.at("command").get_to(attempt.command);
    attempt.fingerprint = document.at("fingerprint");
    if (!attempt.fingerprint.is_object()) throw DataError("'fingerprint' is no table");
  });
  if (folder.filename() != std::to_string(attempt.number) ||
      folder.parent_path().filename() != attempt.key) {
    throw DataError(fmt::format("{}: is attempt {} of trial {}: the folder was moved",
                                folder.string(), attempt.number, attempt.key));
  }
  attempt.series = read_events(folder / kEventsFile);
  if (fs::exists(folder / kResultFile)) {
    read_result(folder, attempt);
  } else if (fs::exists(folder / kFailureFile)) {
    read_failure(folder / kFailureFile, attempt);
  }
  return {std::move(trial), std::move(attempt)};
}

void write_attempt_file(const fs::path& folder, const TrialRecord& trial,
                        const AttemptRecord& attempt) {
  json document = to_json(trial);
  document["schema_version"] = kSchemaVersion;
  document["name"] = trial.memberships.empty() ? json() : json(trial.memberships.front().name);
  document["number"] = attempt.number;
  document["started_ms"] = attempt.started_ms;
  document["device"] = attempt.device;
  document["command"] = attempt.command;
  document["fingerprint"] = attempt.fingerprint;
  write_file_atomic(folder / kAttemptFile, indented(document));
}

void write_failure_file(const fs::path& folder, const Failure& failure, std::int64_t finished_ms) {
  std::error_code none_there;
  fs::rename(folder / kResultFile, folder / "result.json.refused", none_there);
  json document = to_json(failure);
  document["schema_version"] = kSchemaVersion;
  document["finished_ms"] = finished_ms;
  write_file_atomic(folder / kFailureFile, indented(document));
}

void write_attempt_folder(const fs::path& folder, const TrialRecord& trial,
                          const AttemptRecord& attempt) {
  write_attempt_file(folder, trial, attempt);
  if (!attempt.series.empty()) {
    std::string lines;
    for (const MetricPoint& point : attempt.series) {
      json event = to_json(point);
      event["event"] = "metric";
      lines += event.dump() + "\n";
    }
    write_file_atomic(folder / kEventsFile, lines);
  }
  if (attempt.failure) {
    write_failure_file(folder, *attempt.failure, attempt.finished_ms.value_or(attempt.started_ms));
  }
  if (attempt.status != Status::ok && attempt.status != Status::pruned) return;
  json result = to_json(attempt);
  result["schema_version"] = kSchemaVersion;
  result["key"] = attempt.key;
  for (const Bitmap& bitmap : attempt.bitmaps) {
    if (bitmap.bits.empty()) continue;
    const std::string file = bitmap.evaluation + ".bitmap";
    write_file_atomic(folder / file, std::span<const std::byte>(bitmap.bits));
    result["bitmaps"][bitmap.evaluation]["file"] = file;
  }
  for (const char* elsewhere : {"failure", "series", "number", "started_ms", "device", "command"}) {
    result.erase(elsewhere);
  }
  for (const char* optional : {"peak_memory_bytes", "finished_ms"}) {
    if (result[optional].is_null()) result.erase(optional);
  }
  write_file_atomic(folder / kResultFile, indented(result));
}

bool is_abandoned(const fs::path& folder) {
  return is_free(folder / kWorkerLockFile) && is_free(folder / kSupervisorLockFile);
}

AttemptRecord resolve_abandoned(const fs::path& folder, const TrialRecord& trial,
                                const AttemptRecord& known) {
  if (!fs::exists(folder / kAttemptFile)) write_attempt_file(folder, trial, known);
  const auto fail = [&](const char* failure_class, std::string message) {
    Failure failure;
    failure.failure_class = failure_class;
    failure.message = std::move(message);
    write_failure_file(folder, failure, now_ms());
  };
  AttemptRecord record;
  try {
    record = read_attempt_folder(folder).second;
  } catch (const DataError& error) {
    if (!fs::exists(folder / kResultFile)) throw;
    fail("crash", fmt::format("left a damaged result: {}", error.what()));
    return read_attempt_folder(folder).second;
  }
  if (record.status != Status::running) return record;
  fail("preempted", "interrupted: the processes that ran it ended without a result");
  return read_attempt_folder(folder).second;
}

std::vector<fs::path> attempt_folders(const fs::path& runs) {
  std::vector<std::string> keys;
  std::error_code error;
  for (const auto& trial : fs::directory_iterator(runs, error)) {
    const std::string name = trial.path().filename();
    if (trial.is_directory() && is_trial_key(name)) keys.push_back(name);
  }
  std::sort(keys.begin(), keys.end());
  std::vector<fs::path> out;
  for (const std::string& key : keys) {
    for (fs::path& folder : attempt_folders_of(runs, key)) out.push_back(std::move(folder));
  }
  return out;
}

std::vector<fs::path> attempt_folders_of(const fs::path& runs, const std::string& key) {
  std::vector<std::pair<std::int64_t, fs::path>> numbered;
  std::error_code error;
  for (const auto& attempt : fs::directory_iterator(runs / key, error)) {
    const auto number = parse_number(attempt.path().filename().string());
    if (attempt.is_directory() && number) numbered.emplace_back(*number, attempt.path());
  }
  std::sort(numbered.begin(), numbered.end());
  std::vector<fs::path> out;
  for (auto& [number, folder] : numbered) out.push_back(std::move(folder));
  return out;
}

bool has_result(const fs::path& folder) { return fs::exists(folder / kResultFile); }

fs::path sweep_file_path(const fs::path& sweeps, std::string_view name) {
  std::string file;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || (c == '.' && !file.empty());
    file += plain ? std::string(1, c)
                  : fmt::format("%{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  return sweeps / (file + ".json");
}

void write_sweep_file(const fs::path& sweeps, const SweepFile& file) {
  json document = {{"schema_version", kSchemaVersion}, {"name", file.sweep.name},
                   {"text", file.sweep.text},          {"sha256", file.sweep.sha256},
                   {"plan", file.sweep.plan},          {"claims", json::array()},
                   {"trials", json::array()}};
  for (const ClaimRecord& claim : file.sweep.claims) document["claims"].push_back(to_json(claim));
  for (const TrialRecord& trial : file.trials) document["trials"].push_back(to_json(trial));
  write_file_atomic(sweep_file_path(sweeps, file.sweep.name), document.dump() + "\n");
}

SweepFile read_sweep_file(const fs::path& path) {
  return read_json_file(path, [](const json& document) {
    SweepFile out;
    document.at("name").get_to(out.sweep.name);
    document.at("text").get_to(out.sweep.text);
    document.at("sha256").get_to(out.sweep.sha256);
    out.sweep.plan = document.at("plan");
    for (const json& claim : document.at("claims")) {
      out.sweep.claims.push_back(claim_from_json(claim));
    }
    for (const json& trial : document.at("trials")) out.trials.push_back(trial_from_json(trial));
    return out;
  });
}

std::int64_t now_ms() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

}  // namespace bitsweep::store
