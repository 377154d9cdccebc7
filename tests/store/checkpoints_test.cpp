#include "store/checkpoints.h"

#include <catch2/catch_test_macros.hpp>

#include "core/file.h"
#include "fixture.h"

namespace bitsweep::store {
namespace {

const std::string kKey(64, 'c');

// An attempt with checkpoints of these steps.
std::filesystem::path make_attempt(const TemporaryFolder& runs, int number,
                                   const std::vector<std::int64_t>& steps) {
  const auto folder = runs / kKey / std::to_string(number);
  std::filesystem::create_directories(folder / "checkpoints");
  for (const std::int64_t step : steps) {
    write_file_atomic(folder / "checkpoints" / (std::to_string(step) + ".safetensors"),
                      std::string("x"));
  }
  return folder;
}

std::vector<std::int64_t> steps_of(const std::vector<Checkpoint>& checkpoints) {
  std::vector<std::int64_t> out;
  for (const Checkpoint& checkpoint : checkpoints) out.push_back(checkpoint.step);
  return out;
}

using Steps = std::vector<std::int64_t>;

TEST_CASE("checkpoints are listed newest first by their number, other files passed over") {
  const TemporaryFolder runs;
  const auto folder = make_attempt(runs, 1, {9, 100, 10});
  write_file_atomic(folder / "checkpoints/10.safetensors.tmp", std::string("x"));
  write_file_atomic(folder / "checkpoints/best.safetensors", std::string("x"));
  CHECK(steps_of(checkpoints_in(folder)) == Steps{100, 10, 9});
  CHECK(checkpoints_in(folder / "nowhere").empty());
}

TEST_CASE("an attempt goes on from the newest checkpoint of those without a result") {
  const TemporaryFolder runs;
  const auto first = make_attempt(runs, 1, {10, 20});
  write_file_atomic(make_attempt(runs, 2, {90}) / "result.json", std::string("{}"));
  const auto third = make_attempt(runs, 3, {20, 30});
  make_attempt(runs, 4, {});
  const auto found = resumable_checkpoints(runs.path(), kKey);
  CHECK(steps_of(found) == Steps{30, 20, 20, 10});
  CHECK(found[1].path.parent_path().parent_path() == third);  // of equal steps the later attempt
  CHECK(found[2].path.parent_path().parent_path() == first);
  CHECK(resumable_checkpoints(runs.path(), std::string(64, 'd')).empty());
}

TEST_CASE("pruning keeps the newest and the best, the earlier of two equally good ones") {
  const TemporaryFolder runs;
  const auto folder = make_attempt(runs, 1, {10, 20, 30, 40, 45});
  const std::map<std::int64_t, double> scores = {{10, 0.5}, {20, 0.7}, {30, 0.7}, {40, 0.6}};
  SECTION("one of each") {
    CHECK(steps_of(prune_checkpoints(folder, {1, 1}, scores)) == Steps{45, 20});
  }
  SECTION("several") {
    CHECK(steps_of(prune_checkpoints(folder, {2, 2}, scores)) == Steps{45, 40, 30, 20});
  }
  SECTION("the last alone") {
    CHECK(steps_of(prune_checkpoints(folder, {1, 0}, scores)) == Steps{45});
  }
  SECTION("none") { CHECK(prune_checkpoints(folder, {0, 0}, scores).empty()); }
  SECTION("no scores yet") { CHECK(steps_of(prune_checkpoints(folder, {1, 1}, {})) == Steps{45}); }
  CHECK(checkpoints_in(folder).size() <= 4);
}

TEST_CASE("after success the other attempts' checkpoints are gone, and nothing else") {
  const TemporaryFolder runs;
  const auto first = make_attempt(runs, 1, {10});
  write_file_atomic(first / "events.jsonl", std::string("x"));
  const auto second = make_attempt(runs, 2, {20});
  remove_other_checkpoints(runs.path(), kKey, 2);
  CHECK(checkpoints_in(first).empty());
  CHECK(std::filesystem::exists(first / "events.jsonl"));
  CHECK(steps_of(checkpoints_in(second)) == Steps{20});
}

}  // namespace
}  // namespace bitsweep::store
