// What the store keeps about sweeps, trials and attempts, as plain values: the one shape that the
// database, the run folders (store/folder.h) and `trials.jsonl` are written from and read into.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitsweep::store {

// Of an attempt: all but `queued`. Of a trial: that of its latest successful attempt, else of its
// latest, else `queued`.
enum class Status { ok, failed, running, queued, preempted, pruned };
std::string_view to_string(Status status);
Status status_from_string(std::string_view name);  // throws StoreError

// One published number to hold a sweep's trials against ([[paper]]), as fractions.
struct ClaimRecord {
  std::string id;
  std::string where;  // expression
  std::string metric;
  double value = 0;
  double tolerance = 0;
  std::string requires_;                              // expression; "" where there is none
  nlohmann::json details = nlohmann::json::object();  // document, table, note, … as written
  friend bool operator==(const ClaimRecord&, const ClaimRecord&) = default;
};

struct SweepRecord {
  std::string name;
  std::string text;                                // the sweep file as read
  std::string sha256;                              // of `text`
  nlohmann::json plan = nlohmann::json::object();  // the frozen plan (sweep::plan_to_json)
  std::vector<ClaimRecord> claims;
  friend bool operator==(const SweepRecord&, const SweepRecord&) = default;
};

// A trial's place in one sweep. A trial may stand in several sweeps, once in each.
struct Membership {
  std::string sweep;
  std::string name;          // "sweep/axis=value,…"
  std::string group;         // the name without its seed: what means are taken over
  std::int64_t ordinal = 0;  // position in the plan
  std::vector<std::pair<std::string, nlohmann::json>> axes;  // label → value, in file order
  friend bool operator==(const Membership&, const Membership&) = default;
};

struct TrialRecord {
  std::string key;        // 64 hexadecimal digits
  std::string canonical;  // JSON text whose SHA-256 the key is
  nlohmann::json config;  // flat, dotted, defaults included, unset null (Settings::to_json)
  std::uint64_t seed = 0;
  std::vector<Membership> memberships;
  friend bool operator==(const TrialRecord&, const TrialRecord&) = default;
};

struct Failure {
  std::string failure_class;  // docs/cli.md, "Failure classes"; "preempted" makes the status so
  std::string message;        // one sentence
  std::optional<int> exit_code;
  std::optional<int> signal;
  nlohmann::json details;  // null where there are none
  friend bool operator==(const Failure&, const Failure&) = default;
};

// One value of a series, as the worker's "metric" or "metrics" event told it.
struct MetricPoint {
  std::string name;
  double value = 0;
  std::optional<std::int64_t> step;
  std::optional<double> epoch;
  std::optional<double> wall_s;  // seconds since the attempt started
  friend bool operator==(const MetricPoint&, const MetricPoint&) = default;
};

// Bit i of byte i / 8, most significant first, is 1 where image i (file order) was right.
struct Bitmap {
  std::string evaluation;  // "top1"
  std::int64_t images = 0;
  std::string sha256;           // of `bits`
  std::vector<std::byte> bits;  // empty where only the digest is known (imported trials)
  friend bool operator==(const Bitmap&, const Bitmap&) = default;
};

struct Artifact {
  std::string name;
  std::string path;  // relative to the attempt folder
  std::uint64_t bytes = 0;
  std::string sha256;
  friend bool operator==(const Artifact&, const Artifact&) = default;
};

struct AttemptRecord {
  std::string key;
  std::int64_t number = 0;  // 1, 2, … within the trial
  Status status = Status::running;
  std::optional<Failure> failure;
  std::int64_t started_ms = 0;  // since the epoch, UTC
  std::optional<std::int64_t> finished_ms;
  std::optional<double> seconds;  // of work, as the worker measured it
  std::optional<std::uint64_t> peak_memory_bytes;
  std::string device;               // "cpu", "cuda:0"
  std::string command;              // what was typed
  nlohmann::json numerics_version;  // as the worker gave it; null before
  nlohmann::json fingerprint = nlohmann::json::object();
  nlohmann::json finals = nlohmann::json::object();  // metric → number
  std::vector<MetricPoint> series;
  nlohmann::json layers = nlohmann::json::array();  // one object a layer
  // Of a training: one object an epoch (EpochRecord of train/trial.h, field by field), those before
  // a resumption too.
  nlohmann::json epochs = nlohmann::json::array();
  std::string state_sha256;  // of a training's state at the end; "" otherwise
  std::string
      resumed_from;  // "<number>/checkpoints/<step>.safetensors" of this trial; "" otherwise
  std::vector<Bitmap> bitmaps;
  std::vector<Artifact> artifacts;
  friend bool operator==(const AttemptRecord&, const AttemptRecord&) = default;
};

// Whether `text` is 64 lower-case hexadecimal digits.
bool is_trial_key(std::string_view text);

// JSON of each record. The *_from_json throw nlohmann::json::exception for a field that is missing
// or of another type and DataError for a value that cannot be; who knows the file adds its name.
nlohmann::json to_json(const Membership& membership);
Membership membership_from_json(const nlohmann::json& object);
nlohmann::json to_json(const ClaimRecord& claim);
ClaimRecord claim_from_json(const nlohmann::json& object);
nlohmann::json to_json(const Failure& failure);
Failure failure_from_json(const nlohmann::json& object);
nlohmann::json to_json(const MetricPoint& point);  // a value that is not finite is null
MetricPoint metric_point_from_json(const nlohmann::json& object);
// The points of a "metric" or "metrics" event (run/protocol.h), none of another. Points of one
// event share its "wall_s".
std::vector<MetricPoint> points_of_event(const nlohmann::json& event);
nlohmann::json to_json(const Artifact& artifact);
Artifact artifact_from_json(const nlohmann::json& object);
nlohmann::json finals_from_json(const nlohmann::json& object);  // metric → number or null, checked
nlohmann::json to_json(const TrialRecord& trial);
TrialRecord trial_from_json(const nlohmann::json& object);
// Bitmaps are given by evaluation, images and digest; their bits are left out. So are "epochs",
// "state_sha256" and "resumed_from" where there are none.
nlohmann::json to_json(const AttemptRecord& attempt);
AttemptRecord attempt_from_json(const std::string& key, const nlohmann::json& object);
// epochs, state_sha256 and resumed_from, none of which need be there.
void read_training(const nlohmann::json& object, AttemptRecord& attempt);

// A line of a report's `trials.jsonl`: {"schema_version": 1, "key", "canonical", "config", "seed",
// "memberships": […], "attempts": […]}. Reading throws DataError alone.
nlohmann::json to_json(const TrialRecord& trial, const std::vector<AttemptRecord>& attempts);
std::pair<TrialRecord, std::vector<AttemptRecord>> trial_with_attempts_from_json(
    const nlohmann::json& line);

}  // namespace bitsweep::store
