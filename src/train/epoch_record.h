// What an epoch of a training ended with, and its JSON (checkpoints, result.json).
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace bitsweep::train {

// What an epoch ended with.
struct EpochRecord {
  std::int64_t epoch = 0;  // epochs done: 1 after the first
  std::int64_t step = 0;
  std::string state_sha256;  // of parameters, optimizer and quantizer state (train/state.h)
  double lr = 0;             // of its last step
  double train_loss = 0;     // mean over images
  double train_top1 = 0;
  std::optional<double> top1;  // of the evaluation after it, on `split`
  std::optional<double> loss;
  std::string split;  // "test" | "validation"
};

// Field by field; top1 and loss are null where the epoch was not evaluated.
nlohmann::json to_json(const EpochRecord& record);
// Throws nlohmann::json::exception for a field that is missing or of another type.
EpochRecord epoch_from_json(const nlohmann::json& object);

}  // namespace bitsweep::train
