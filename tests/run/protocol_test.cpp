#include "run/protocol.h"

#include <catch2/catch_test_macros.hpp>

#include "core/error.h"

using namespace bitsweep;

TEST_CASE("a job arrives as it was sent", "[run]") {
  run::Job job;
  job.key = "abc";
  job.settings = {{"kind", "train"}};
  job.paths = {{"model.weights", "/w.safetensors"}};
  job.attempt_folder = "/runs/abc/2";
  job.device = "cuda:1";
  job.threads = 3;
  job.resume = {"/runs/abc/1/checkpoints/20.safetensors", "/runs/abc/1/checkpoints/10.safetensors"};
  job.stop_after_epochs = 2;
  const run::Job back = run::job_from_json(nlohmann::json::parse(to_json(job).dump()));
  CHECK(back.key == job.key);
  CHECK(back.settings == job.settings);
  CHECK(back.paths == job.paths);
  CHECK(back.attempt_folder == job.attempt_folder);
  CHECK(back.device == job.device);
  CHECK(back.threads == job.threads);
  CHECK(back.resume == job.resume);
  CHECK(back.stop_after_epochs == job.stop_after_epochs);
  job.stop_after_epochs.reset();
  CHECK_FALSE(run::job_from_json(to_json(job)).stop_after_epochs.has_value());
}

TEST_CASE("an assignment arrives with its jobs in order", "[run]") {
  run::Assignment assignment;
  for (const char* key : {"b", "a"}) assignment.jobs.emplace_back().key = key;
  assignment.cache_bytes = 3'000'000'000;
  const auto back = run::assignment_from_json(nlohmann::json::parse(to_json(assignment).dump()));
  REQUIRE(back.jobs.size() == 2);
  CHECK(back.jobs[0].key == "b");
  CHECK(back.jobs[1].key == "a");
  CHECK(back.cache_bytes == 3'000'000'000);
  CHECK_THROWS_AS(run::assignment_from_json(to_json(run::Job{})), ConfigError);
}

TEST_CASE("a job without a field is refused by name", "[run]") {
  nlohmann::json line = to_json(run::Job{});
  line.erase("resume");
  CHECK_THROWS_AS(run::job_from_json(line), ConfigError);
}
