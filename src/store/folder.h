// Run folders, the truth that the database indexes. <runs>/<key>/<number>/ holds
//   - attempt.json, by the supervisor at the start: trial, memberships, device, command,
//   fingerprint
//   - events.jsonl, by the supervisor as they come: the worker's events (run/protocol.h)
//   - result.json, by the worker, atomically and last: metrics, epochs, layers, bitmaps,
//   fingerprint
//   - weights.safetensors and checkpoints/<step>.safetensors (store/checkpoints.h), by the worker
//   - top1.bitmap, by the worker before result.json
//   - failure.json, by the supervisor where there is no result: class, message, exit code or signal
//   - lock and supervisor.lock, held by the worker and the supervisor while they live
//
// One reader serves finishing, reconciling, rebuilding and importing, so that they cannot differ.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/record.h"

namespace bitsweep::store {

inline constexpr const char* kWorkerLockFile = "lock";
inline constexpr const char* kSupervisorLockFile = "supervisor.lock";

// Trial and attempt as the folder tells them. Without result.json and failure.json the status is
// `running`. Throws DataError naming the file and what is wrong with it.
std::pair<TrialRecord, AttemptRecord> read_attempt_folder(const std::filesystem::path& folder);

// attempt.json alone (at the start), and failure.json alone. A failure sets aside a result that
// stands there (as result.json.refused): it was damaged, or came from a worker given up.
void write_attempt_file(const std::filesystem::path& folder, const TrialRecord& trial,
                        const AttemptRecord& attempt);
void write_failure_file(const std::filesystem::path& folder, const Failure& failure,
                        std::int64_t finished_ms);

// A whole folder from records (import, merge): reading it back gives equal records.
void write_attempt_folder(const std::filesystem::path& folder, const TrialRecord& trial,
                          const AttemptRecord& attempt);

// Whether no living process holds the folder's locks.
bool is_abandoned(const std::filesystem::path& folder);

// What an attempt became whose processes died: what its result.json says, else preempted (and
// failure.json says so). `known` is what the database held, for a folder that has vanished.
AttemptRecord resolve_abandoned(const std::filesystem::path& folder, const TrialRecord& trial,
                                const AttemptRecord& known);

// <runs>/<key>/<number> for every attempt folder, sorted by key and number; those of one trial.
std::vector<std::filesystem::path> attempt_folders(const std::filesystem::path& runs);
std::vector<std::filesystem::path> attempt_folders_of(const std::filesystem::path& runs,
                                                      const std::string& key);

// Whether the attempt left a result.json, which only a worker that was done writes.
bool has_result(const std::filesystem::path& folder);

// sweeps/<name>.json: the sweep and its trials as last run.
struct SweepFile {
  SweepRecord sweep;
  std::vector<TrialRecord> trials;  // each with its membership of this sweep alone
};
std::filesystem::path sweep_file_path(const std::filesystem::path& sweeps, std::string_view name);
void write_sweep_file(const std::filesystem::path& sweeps, const SweepFile& file);
SweepFile read_sweep_file(const std::filesystem::path& path);

std::int64_t now_ms();  // since the epoch, UTC

}  // namespace bitsweep::store
