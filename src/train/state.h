// What a training is at a step, and its file: a checkpoint, from which a run goes on as if it had
// never stopped.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace bitsweep::train {

// All that a resumed run needs beside configuration and data.
struct State {
  std::int64_t step = 0;  // done
  // Flat float32 buffers by name: "parameters", "momentum", "second_moment", "alpha", …
  std::map<std::string, std::vector<float>> tensors;
  // Records of finished epochs, counters of the running one, the best epoch. Finite numbers: those
  // that JSON holds; they come back exactly.
  nlohmann::json progress = nlohmann::json::object();
};

// SHA-256 over the step (int64) and, by name, every tensor: its name, a zero byte, its number of
// elements (int64) and its float32 bytes, all little endian. Progress is left out, so that two
// runs compare whatever they recorded.
std::string state_sha256(const State& state);

// Writes `state` as safetensors with metadata, atomically: after a crash there is the whole file or
// none. `identity`: a flat object that says whose state it is (trial key, numeric fingerprint …).
// Throws EnvironmentError where it cannot be written, InternalError for progress that JSON does not
// hold.
void save_checkpoint(const std::filesystem::path& path, const State& state,
                     const nlohmann::json& identity);

// Reads it back. Throws DataError naming the file and the reason: it is no checkpoint, it is
// damaged (the digests that it carries do not match), or its identity is another (which field, its
// value, the expected one).
State load_checkpoint(const std::filesystem::path& path, const nlohmann::json& identity);

}  // namespace bitsweep::train
