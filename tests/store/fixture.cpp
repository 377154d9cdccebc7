#include "fixture.h"

#include <fmt/format.h>
#include <stdlib.h>

#include <array>
#include <span>
#include <stdexcept>

#include "core/file.h"
#include "core/hash.h"

namespace bitsweep::store {

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "bitsweep-store-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

TrialRecord make_trial(int i, const std::string& sweep) {
  TrialRecord trial;
  trial.canonical = fmt::format(R"({{"quant.weight.bits":{}}})", i);
  trial.key = sha256_hex(trial.canonical);
  trial.config = {{"kind", "ptq"},
                  {"model.name", "resnet20"},
                  {"quant.weight.bits", i},
                  {"data.root", nullptr},
                  {"seed", i % 2}};
  trial.seed = static_cast<std::uint64_t>(i % 2);
  Membership membership;
  membership.sweep = sweep;
  membership.group = fmt::format("{}/method=m{}", sweep, i / 2);
  membership.name = fmt::format("{}/method=m{},seed={}", sweep, i / 2, i % 2);
  membership.ordinal = i;
  membership.axes = {{"method", fmt::format("m{}", i / 2)}, {"bits", i}};
  trial.memberships.push_back(membership);
  return trial;
}

std::vector<TrialRecord> make_trials(int count, const std::string& sweep) {
  std::vector<TrialRecord> out;
  for (int i = 0; i < count; ++i) out.push_back(make_trial(i, sweep));
  return out;
}

SweepRecord make_sweep(const std::string& name, const std::string& text) {
  SweepRecord sweep;
  sweep.name = name;
  sweep.text = text;
  sweep.sha256 = sha256_hex(text);
  sweep.plan = {{"points", 3}};
  ClaimRecord claim;
  claim.id = "004.main";
  claim.where = "method == \"m0\"";
  claim.metric = "top1";
  claim.value = 0.738;
  claim.tolerance = 0.005;
  sweep.claims.push_back(claim);
  return sweep;
}

void write_result(const Attempt& attempt, double top1) {
  const std::array bits{std::byte{0xF0}, std::byte{0x40}};
  write_file_atomic(attempt.folder / "top1.bitmap", std::span<const std::byte>(bits));
  write_file_atomic(
      attempt.folder / "events.jsonl",
      R"({"event":"metric","key":"k","name":"train.loss","value":2.5,"step":1,"epoch":0.5})"
      "\n"
      R"({"event":"progress","key":"k","done":1})"
      "\n"
      R"({"event":"metric","key":"k","name":"train.loss","value":null,"step":2})"
      "\n");
  const nlohmann::json result = {
      {"schema_version", 1},
      {"key", attempt.key},
      {"status", "ok"},
      {"metrics", {{"top1", top1}, {"correct", 5}, {"images", 10}, {"loss", nullptr}}},
      {"fingerprint", {{"libtorch", "2.11.0"}, {"threads", 1}}},
      {"layers", {{{"name", "conv1"}, {"weight_bits", 8}}, {{"name", "fc"}, {"weight_bits", 4}}}},
      {"seconds", 1.5},
      {"peak_memory_bytes", 1048576},
      {"numerics_version", 3},
      {"bitmaps",
       {{"top1", {{"file", "top1.bitmap"}, {"images", 10}, {"sha256", sha256_hex(bits)}}}}}};
  write_file_atomic(attempt.folder / "result.json", result.dump());
}

AttemptRecord run_ok(Store& store, const std::string& key, double top1) {
  const auto attempt =
      store.begin_attempt(key, {"cpu", "bitsweep run demo.toml", {{"git", "abc"}}});
  write_result(attempt.value(), top1);
  return store.finish_attempt(*attempt);
}

AttemptRecord run_failed(Store& store, const std::string& key, const std::string& failure_class) {
  const auto attempt =
      store.begin_attempt(key, {"cpu", "bitsweep run demo.toml", {{"git", "abc"}}});
  Failure failure;
  failure.failure_class = failure_class;
  failure.message = "worker ended by signal 11";
  failure.signal = 11;
  return store.fail_attempt(attempt.value(), failure);
}

}  // namespace bitsweep::store
