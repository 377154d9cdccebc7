// A question that a command puts to a worker program of its own: one JSON object in, one out. What
// needs LibTorch but is no trial: exporting, verifying, looking at tensors.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

namespace bitsweep::run {

// {"question": word, "threads": n, …} → the answer (worker/questions.h). Progress goes to standard
// error. Throws what the worker threw, with its message and exit code, and EnvironmentError where
// it cannot be started or ends without an answer.
nlohmann::json ask_worker(const std::filesystem::path& program, const nlohmann::json& question);

}  // namespace bitsweep::run
