// A training that was stopped and resumed is the uninterrupted one, bit for bit: in every kind of
// training, at one thread and at two (each compared with itself).
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fstream>
#include <sstream>

#include "core/file.h"
#include "exec/device.h"
#include "small_trial.h"

using namespace bitsweep;
using namespace bitsweep::train;
using namespace bitsweep::train::testing;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

void check_same(const Got& resumed, const Got& whole) {
  CHECK(resumed.outcome.state_sha256 == whole.outcome.state_sha256);
  CHECK(text_of(resumed.outcome.epochs) == text_of(whole.outcome.epochs));
  CHECK(resumed.outcome.result_sha256 == whole.outcome.result_sha256);
  CHECK(resumed.weights == whole.weights);
  CHECK(resumed.outcome.accuracy.bitmap() == whole.outcome.accuracy.bitmap());
  CHECK(resumed.outcome.accuracy.loss() == whole.outcome.accuracy.loss());
  CHECK(resumed.outcome.selected_epoch == whole.outcome.selected_epoch);
  CHECK(resumed.outcome.steps == whole.outcome.steps);
}

// Stopped after every `every` steps, each part in a Session of its own, so that there is a chain of
// checkpoints; then from each of them straight to the end.
void check_resumption(const config::TrialConfig& config, int threads, std::int64_t every) {
  CAPTURE(threads);
  exec::set_threads(threads);
  const TemporaryFolder straight, chain, resumed;
  const Got whole = run_in(straight.path(), config);
  REQUIRE(whole.outcome.steps == kSteps);
  REQUIRE_FALSE(whole.outcome.resumed_from.has_value());

  std::vector<Point> points;  // of the chain
  std::vector<fs::path> checkpoints;
  for (std::int64_t step = every; step < kSteps; step += every) {
    How how{.steps = every};
    if (!checkpoints.empty()) how.resume = {checkpoints.back()};
    const Got part = run_in(chain.path(), config, how);
    REQUIRE(part.outcome.stopped);
    REQUIRE(part.outcome.resumed_from.has_value() == !checkpoints.empty());
    points.insert(points.end(), part.points.begin(), part.points.end());
    checkpoints.push_back(checkpoint_of(chain.path(), step));
    if (step % kStepsPerEpoch == 0) {
      CHECK(read_binary_file(checkpoints.back()) ==
            read_binary_file(checkpoint_of(straight.path(), step)));
    }
  }
  for (const fs::path& from : checkpoints) {
    CAPTURE(from);
    const Got got = run_in(resumed.path(), config, {.resume = {from}});
    CHECK(got.outcome.resumed_from == from.string());
    CHECK(got.outcome.images_trained < whole.outcome.images_trained);
    check_same(got, whole);
    if (from == checkpoints.back())
      points.insert(points.end(), got.points.begin(), got.points.end());
  }
  CHECK(text_of(points) == text_of(whole.points));
}

constexpr std::int64_t kEveryStep = 1;
constexpr std::int64_t kEveryThird = 3;

// Lines that were logged while it lives.
class CapturedLog {
 public:
  CapturedLog() : before_(spdlog::default_logger()) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>(
        "captured", std::make_shared<spdlog::sinks::ostream_sink_mt>(text_)));
  }
  ~CapturedLog() { spdlog::set_default_logger(before_); }
  std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
  std::shared_ptr<spdlog::logger> before_;
};

}  // namespace

TEST_CASE("full precision resumes, after every single step, as if it had never stopped") {
  const int threads = GENERATE(1, 2);
  check_resumption(configuration(), threads, threads == 1 ? kEveryStep : kEveryThird);
}

TEST_CASE("bfloat16 resumes as if it had never stopped") {
  if (!exec::has_bf16()) SKIP("this processor does not compute in bfloat16");
  check_resumption(configuration({{"train.precision", "bf16"}}), GENERATE(1, 2), kEveryThird);
}

TEST_CASE("learned clamps and steps resume as if they had never stopped") {
  const config::Value quantizer = GENERATE("pact", "mpact", "lsq");
  check_resumption(quantized({{"quant.activation.quantizer", quantizer}}), GENERATE(1, 2),
                   kEveryThird);
}

TEST_CASE("constant clamps resume as if they had never stopped") {
  const config::Value quantizer = GENERATE("pact_fixed", "dorefa_clamp");
  check_resumption(quantized({{"quant.activation.quantizer", quantizer}}), 1, kEveryThird);
}

TEST_CASE("distillation and measured norms resume as if the training had never stopped") {
  check_resumption(
      quantized({{"train.distillation.weights", "experiments/weights/resnet20_b.safetensors"},
                 {"train.distillation.weight", 0.5},
                 {"train.norm_batches", 3}}),
      1, kEveryThird);
}

TEST_CASE("batch norms in fixed point resume as if they had never stopped") {
  check_resumption(quantized({{"quant.batch_norm.bits", 16}, {"quant.batch_norm.integer_bits", 6}}),
                   1, kEveryThird);
}

TEST_CASE("noise of quantized gradients resumes as if the training had never stopped") {
  check_resumption(quantized({{"quant.gradient.bits", 6}}), GENERATE(1, 2), kEveryThird);
}

TEST_CASE("Adam, a schedule by step and a selected epoch resume as if they had never stopped") {
  check_resumption(quantized({{"train.optimizer", "adam"},
                              {"train.lr", 0.001},
                              {"train.schedule_unit", "step"},
                              {"train.select", "best_validation"},
                              {"data.subset", "stratified"},
                              {"data.train_images", 30},
                              {"data.validation_images", 10},
                              {"train.batch_size", 4}}),
                   1, kEveryThird);
}

TEST_CASE("a checkpoint that does not fit is passed over with a warning") {
  exec::set_threads(1);
  const config::TrialConfig config = configuration({{"train.max_steps", 2}});
  const TemporaryFolder folder;
  const Got whole = run_trial(config);
  REQUIRE(run_in(folder.path(), config, {.steps = 1}).outcome.stopped);
  const fs::path good = checkpoint_of(folder.path(), 1);
  const std::string bytes = read_text_file(good);
  const fs::path bad = folder.path() / "bad.safetensors";
  const auto write_bad = [&](const std::string& content) {
    std::ofstream(bad, std::ios::binary) << content;
  };
  How how{.resume = {bad}};
  std::string reason;
  int threads = 1;
  SECTION("another trial's") {
    write_bad(bytes);
    how.key = "another trial";
    reason = "its key is \"a trial\", expected \"another trial\"";
  }
  SECTION("of another number of threads") {
    write_bad(bytes);
    threads = 2;
    reason = "its threads is 1, expected 2";
  }
  SECTION("truncated") {
    write_bad(bytes.substr(0, bytes.size() - 100));
    reason = "bad.safetensors";
  }
  SECTION("empty") {
    write_bad("");
    reason = "bad.safetensors";
  }
  SECTION("with one byte changed") {
    std::string changed = bytes;
    changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 1);
    write_bad(changed);
    reason = "is damaged";
  }
  SECTION("gone") { reason = "bad.safetensors"; }
  exec::set_threads(threads);
  {
    const CapturedLog log;
    const Got got = run_trial(config, how);
    CHECK_FALSE(got.outcome.resumed_from.has_value());
    CHECK(got.outcome.images_trained == whole.outcome.images_trained);
    if (threads == 1) CHECK(got.outcome.state_sha256 == whole.outcome.state_sha256);
    CHECK_THAT(log.text(), ContainsSubstring("not resumed: "));
    CHECK_THAT(log.text(), ContainsSubstring(reason));
  }
  if (threads == 1 && how.key == "a trial") {  // the next one fits
    how.resume.push_back(good);
    const Got got = run_trial(config, how);
    CHECK(got.outcome.resumed_from == good.string());
    check_same(got, whole);
  }
}
