#include "train/state.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <span>
#include <string_view>

#include "core/check.h"
#include "core/error.h"
#include "core/hash.h"
#include "export/safetensors.h"

namespace bitsweep::train {
namespace {

static_assert(std::endian::native == std::endian::little, "buffers are hashed as they lie");

using nlohmann::json;

constexpr std::string_view kFormat = "bitsweep checkpoint 1";

void update(Sha256& hash, std::int64_t value) { hash.update(std::as_bytes(std::span(&value, 1))); }

// Over all that the file says beside its tensors and step, which state_sha256 covers.
std::string file_sha256(const std::string& state_digest, const std::string& identity,
                        const std::string& progress) {
  return sha256_hex(fmt::format("{}\n{}\n{}", state_digest, identity, progress));
}

const std::string& entry(const exporting::SafetensorsFile& file, const std::string& name) {
  const auto found = file.metadata().find(name);
  if (found != file.metadata().end()) return found->second;
  throw DataError(
      fmt::format("'{}' is no checkpoint: its metadata lacks '{}'", file.path().string(), name));
}

[[noreturn]] void refuse_damaged(const exporting::SafetensorsFile& file, const std::string& what) {
  throw DataError(fmt::format("checkpoint '{}' is damaged: {}", file.path().string(), what));
}

std::int64_t parse_step(const exporting::SafetensorsFile& file) {
  const std::string& text = entry(file, "step");
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), step);
  if (error != std::errc{} || end != text.data() + text.size())
    refuse_damaged(file, fmt::format("step '{}' is no whole number", text));
  return step;
}

std::vector<float> floats(const exporting::SafetensorsFile& file,
                          const exporting::TensorInfo& tensor) {
  if (tensor.dtype != exporting::DType::f32)
    refuse_damaged(file, fmt::format("'{}' is {}, expected F32", tensor.name,
                                     exporting::dtype_name(tensor.dtype)));
  std::vector<float> out(static_cast<std::size_t>(tensor.elements()));
  if (!out.empty()) std::memcpy(out.data(), file.bytes(tensor).data(), out.size() * sizeof(float));
  return out;
}

void check_identity(const exporting::SafetensorsFile& file, const json& stored,
                    const json& expected) {
  json either = expected;
  either.update(stored);
  for (const auto& [field, value] : either.items()) {
    const json theirs = stored.contains(field) ? stored[field] : json();
    const json ours = expected.contains(field) ? expected[field] : json();
    if (theirs != ours)
      throw DataError(
          fmt::format("checkpoint '{}' belongs to another run: its {} is {}, expected "
                      "{}",
                      file.path().string(), field, theirs.dump(), ours.dump()));
  }
}

}  // namespace

std::string state_sha256(const State& state) {
  Sha256 hash;
  update(hash, state.step);
  for (const auto& [name, values] : state.tensors) {
    hash.update(std::string_view(name.c_str(), name.size() + 1));
    update(hash, static_cast<std::int64_t>(values.size()));
    hash.update(std::as_bytes(std::span(values)));
  }
  return hash.hex();
}

void save_checkpoint(const std::filesystem::path& path, const State& state, const json& identity) {
  const std::string progress = state.progress.dump();
  BITSWEEP_CHECK(json::parse(progress) == state.progress,
                 "progress has a number that JSON does not hold: {}", progress);
  const std::string digest = state_sha256(state);
  std::vector<exporting::TensorData> tensors;
  for (const auto& [name, values] : state.tensors) {
    tensors.push_back({.name = name,
                       .dtype = exporting::DType::f32,
                       .shape = {static_cast<std::int64_t>(values.size())},
                       .bytes = std::as_bytes(std::span(values))});
  }
  exporting::write_safetensors(path, std::move(tensors),
                               {{"format", std::string(kFormat)},
                                {"step", std::to_string(state.step)},
                                {"identity", identity.dump()},
                                {"progress", progress},
                                {"state_sha256", digest},
                                {"sha256", file_sha256(digest, identity.dump(), progress)}});
}

State load_checkpoint(const std::filesystem::path& path, const json& identity) {
  const auto file = exporting::SafetensorsFile::read(path);
  if (const std::string& format = entry(file, "format"); format != kFormat) {
    throw DataError(fmt::format("'{}' is no checkpoint: its format is '{}', expected '{}'",
                                path.string(), format, kFormat));
  }
  State state;
  state.step = parse_step(file);
  for (const exporting::TensorInfo& tensor : file.tensors())
    state.tensors[tensor.name] = floats(file, tensor);
  const std::string digest = state_sha256(state);
  if (digest != entry(file, "state_sha256")) {
    refuse_damaged(file, fmt::format("SHA-256 of its state is {}, expected {}", digest,
                                     entry(file, "state_sha256")));
  }
  const std::string& identity_text = entry(file, "identity");
  const std::string& progress_text = entry(file, "progress");
  if (file_sha256(digest, identity_text, progress_text) != entry(file, "sha256"))
    refuse_damaged(file, "its identity or progress is not what was written");
  check_identity(file, json::parse(identity_text), identity);
  state.progress = json::parse(progress_text);
  return state;
}

}  // namespace bitsweep::train
