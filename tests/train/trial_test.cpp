// Trainings from configuration to numbers, on the images that the repository carries.
#include "train/trial.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <numeric>
#include <regex>

#include "config/settings.h"
#include "core/error.h"
#include "exec/device.h"
#include "export/safetensors.h"
#include "ptq/statistics.h"
#include "ptq/trial.h"
#include "small_trial.h"

using namespace bitsweep;
using namespace bitsweep::train;
using namespace bitsweep::train::testing;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;
using Steps = std::vector<std::int64_t>;
namespace fs = std::filesystem;

namespace {

constexpr const char* kTrainedWeights = "experiments/weights/resnet20_a_akamaster.safetensors";

// Goes on from a network that classifies 9 images of 10.
Keys fine_tuning() {
  return {{"model.shortcut", "A"},
          {"model.weights", kTrainedWeights},
          {"data.normalize", "imagenet"},
          {"train.lr", 1e-4}};
}

Keys operator+(Keys left, const Keys& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// The network of a weights file through post-training quantization's evaluation.
ptq::Outcome evaluate_file(const std::string& weights, std::int64_t images,
                           const std::string& shortcut) {
  config::Settings settings;
  for (const auto& [key, value] : Keys{{"model.name", "resnet20"},
                                       {"model.shortcut", shortcut},
                                       {"model.weights", weights},
                                       {"data.name", "cifar10_small"},
                                       {"data.normalize", "imagenet"},
                                       {"data.test_images", images},
                                       {"quant.scheme", "none"}}) {
    settings.set(key, value, "test");
  }
  ptq::Session session(at::kCPU);
  return session.run(config::to_trial(settings), {});
}

std::vector<std::string> alpha_series(const std::vector<Point>& points) {
  std::vector<std::string> out;
  for (const Point& p : points) {
    if (p.name.starts_with("alpha.") && std::ranges::find(out, p.name) == out.end()) {
      out.push_back(p.name);
    }
  }
  return out;
}

// α of every quantizer after `step`.
std::vector<double> alphas_at(const std::vector<Point>& points, std::int64_t step) {
  std::vector<double> out;
  for (const Point& p : points) {
    if (p.name.starts_with("alpha.") && p.step == step) out.push_back(p.value);
  }
  return out;
}

double smallest(const std::vector<double>& values) { return *std::ranges::min_element(values); }

std::string divergence(const config::TrialConfig& config) {
  try {
    run_trial(config);
  } catch (const ptq::Diverged& error) {
    return error.what();
  }
  return "it did not diverge";
}

}  // namespace

TEST_CASE("the same configuration gives the same numbers; another seed gives others") {
  exec::set_threads(1);
  const Keys short_run = {{"train.max_steps", 2}};
  const Got first = run_trial(configuration(short_run));
  const Got second = run_trial(configuration(short_run));
  const Got other = run_trial(configuration(short_run + Keys{{"seed", 2}}));
  CHECK(first.weights == second.weights);
  CHECK(text_of(first.points) == text_of(second.points));
  CHECK(first.outcome.state_sha256 != other.outcome.state_sha256);
}

TEST_CASE("training lowers the loss of the images it sees") {
  exec::set_threads(1);
  const bool quantizes = GENERATE(false, true);
  const Keys keys = {{"train.epochs", 8}, {"data.augment", false}, {"train.lr", 0.02}};
  const Got got = run_trial(quantizes ? quantized(keys) : configuration(keys));
  CHECK(got.outcome.epochs.back().train_loss < 0.8 * got.outcome.epochs.front().train_loss);
}

TEST_CASE("an outcome says what was trained") {
  exec::set_threads(1);
  const Got got = run_trial(quantized({{"train.epochs", 1}}));
  const Outcome& outcome = got.outcome;
  CHECK_FALSE(outcome.stopped);
  CHECK(outcome.steps == kStepsPerEpoch);
  CHECK(outcome.images_trained == 14);
  CHECK(outcome.accuracy.images() == 10);
  CHECK(outcome.weights_sha256.empty());  // from scratch
  CHECK(outcome.selected_epoch == 1);
  CHECK(outcome.counts.total.parameters == 272474);
  REQUIRE(outcome.epochs.size() == 1);
  CHECK(outcome.epochs[0].split == "test");
  CHECK(outcome.epochs[0].top1 == outcome.accuracy.top1());
  CHECK(outcome.epochs[0].loss == outcome.accuracy.loss());
  CHECK(outcome.epochs[0].state_sha256 == outcome.state_sha256);
  CHECK(outcome.train_loss == outcome.epochs[0].train_loss);
}

TEST_CASE("a loss that is not finite ends the training with step and layer") {
  exec::set_threads(1);
  const config::TrialConfig config =
      GENERATE(configuration({{"train.lr", 1e30}}), quantized({{"train.lr", 1e30}}));
  const std::string message = divergence(config);
  CAPTURE(message);
  const std::regex form(
      "step ([0-9]+) \\(epoch 1\\): the loss is -?(nan|inf); the first value that is not finite "
      "is in '(stem|bn1|relu1|features|output)[^']*'");
  std::smatch match;
  REQUIRE(std::regex_match(message, match, form));
  CHECK(std::stoi(match[1]) >= 2);  // the first step's weights are sound
}

TEST_CASE("what an epoch's last step ruins ends the training with step and parameter") {
  exec::set_threads(1);
  const std::string message = divergence(
      configuration({{"train.lr", 1e30}, {"train.weight_decay", 1e30}, {"train.max_steps", 1}}));
  CAPTURE(message);
  const std::regex form(
      "step 1 \\(epoch 1\\): in the evaluation after it, a logit of image 0 is -?nan; the first "
      "value that is not finite is in 'stem.weight'");
  CHECK(std::regex_match(message, form));
}

TEST_CASE("max_steps ends a training within an epoch and changes nothing before") {
  exec::set_threads(1);
  const Got whole = run_trial(configuration({{"train.epochs", 2}}));
  const Got cut = run_trial(configuration({{"train.epochs", 2}, {"train.max_steps", 7}}));
  CHECK(cut.outcome.steps == 7);
  REQUIRE(cut.outcome.epochs.size() == 2);
  CHECK(text_of(cut.outcome.epochs)[0] == text_of(whole.outcome.epochs)[0]);
  CHECK(cut.outcome.epochs[1].step == 7);
  CHECK(cut.outcome.epochs[1].epoch == 2);
  CHECK(cut.outcome.epochs[1].lr == whole.outcome.epochs[1].lr);
  std::vector<std::string> losses = text_of(series(whole.points, "train.loss"));
  losses.resize(7);
  CHECK(text_of(series(cut.points, "train.loss")) == losses);
}

TEST_CASE("the first epochs alone are those of the whole training") {
  exec::set_threads(1);
  const config::TrialConfig config = quantized({{"train.epochs", 3}});
  const Got whole = run_trial(config);
  const Got begun = run_trial(config, {.stop_after_epochs = 2});
  CHECK_FALSE(begun.outcome.stopped);
  CHECK(begun.outcome.steps == 2 * kStepsPerEpoch);
  std::vector<std::string> expected = text_of(whole.outcome.epochs);
  expected.pop_back();
  CHECK(text_of(begun.outcome.epochs) == expected);
  CHECK(begun.outcome.state_sha256 == whole.outcome.epochs[1].state_sha256);
}

TEST_CASE("learned steps go on from a weight file's steps, and are never taken for clips") {
  exec::set_threads(1);
  const TemporaryFolder folder;
  const Keys lsq = {{"quant.activation.quantizer", "lsq"}, {"train.max_steps", 1}};
  const Got first = run_in(folder.path(), quantized(lsq));
  const std::vector<double> steps = alphas_at(first.points, 1);
  REQUIRE_FALSE(steps.empty());
  CHECK(smallest(steps) > 0);
  CHECK(*std::ranges::max_element(steps) < 1);  // of 255 codes; clips begin at 10
  const Keys from = {{"model.weights", (folder.path() / "weights.safetensors").string()},
                     {"train.lr", 0.0},
                     {"train.max_steps", 1}};
  CHECK(alphas_at(run_trial(quantized(from + Keys{{"quant.activation.quantizer", "lsq"}})).points,
                  1) == steps);
  for (const double clip : alphas_at(run_trial(quantized(from)).points, 1)) CHECK(clip == 10);
}

TEST_CASE("distillation alone reads no label, and brings a network to its teacher") {
  exec::set_threads(1);
  const Keys distils = {
      {"train.distillation.weights", "experiments/weights/resnet20_b.safetensors"},
      {"train.distillation.temperature", 1},
      {"train.epochs", 8},
      {"data.augment", false},
      {"train.lr", 0.02}};
  const Got got = run_trial(configuration(distils));
  CHECK_FALSE(got.outcome.teacher_sha256.empty());
  // The loss of the labels is not in it: the two are the same series.
  const std::vector<Point> whole = series(got.points, "train.loss");
  const std::vector<Point> of_teacher = series(got.points, "train.distillation_loss");
  REQUIRE(whole.size() == of_teacher.size());
  for (std::size_t i = 0; i < whole.size(); ++i) CHECK(whole[i].value == of_teacher[i].value);
  CHECK(whole.back().value < 0.8 * whole.front().value);
  // Its smoothed labels could not matter either.
  const Got smoothed = run_trial(configuration(distils + Keys{{"train.label_smoothing", 0.3}}));
  CHECK(smoothed.outcome.state_sha256 == got.outcome.state_sha256);
  const Got mixed = run_trial(configuration(distils + Keys{{"train.distillation.weight", 0.5}}));
  CHECK(mixed.outcome.state_sha256 != got.outcome.state_sha256);
}

TEST_CASE("a network distilled from itself has nothing to learn in its first step") {
  exec::set_threads(1);
  const std::string weights = "experiments/weights/resnet20_b.safetensors";
  const Got got = run_trial(configuration({{"model.weights", weights},
                                           {"train.distillation.weights", weights},
                                           {"train.max_steps", 1}}));
  // In training the student's norms are those of the batch, the teacher's the running ones.
  CHECK(series(got.points, "train.distillation_loss")[0].value > 0);
  CHECK(got.outcome.teacher_sha256 == got.outcome.weights_sha256);
}

TEST_CASE("norms measured anew replace running statistics and nothing else") {
  exec::set_threads(1);
  const Keys keys = {{"train.epochs", 1}, {"data.augment", false}};
  const TemporaryFolder plain_folder, measured_folder;
  const Got plain = run_in(plain_folder.path(), configuration(keys));
  const Got measured =
      run_in(measured_folder.path(), configuration(keys + Keys{{"train.norm_batches", 100}}));
  CHECK(plain.outcome.state_sha256 == measured.outcome.state_sha256);  // training is the same
  const auto read = [](const TemporaryFolder& folder) {
    return exporting::SafetensorsFile::read(folder.path() / "weights.safetensors");
  };
  const auto before = read(plain_folder), after = read(measured_folder);
  for (const exporting::TensorInfo& tensor : before.tensors()) {
    CAPTURE(tensor.name);
    const auto a = before.bytes(tensor);
    const auto b = after.bytes(*after.find(tensor.name));
    const bool running = tensor.name.find("running_") != std::string::npos;
    CHECK(std::ranges::equal(a, b) != running);
  }
  CHECK(plain.outcome.accuracy.loss() != measured.outcome.accuracy.loss());
}

TEST_CASE("no epoch at all evaluates the network it starts from") {
  exec::set_threads(1);
  const Got got = run_trial(configuration(fine_tuning() + Keys{{"train.epochs", 0}}));
  CHECK(got.outcome.steps == 0);
  CHECK(got.outcome.epochs.empty());
  CHECK(got.outcome.accuracy.bitmap() == evaluate_file(kTrainedWeights, 10, "A").accuracy.bitmap());
}

TEST_CASE("the epoch with the best validation is the result") {
  exec::set_threads(1);
  // After the first epoch the rate ruins the network.
  const Keys ruined =
      fine_tuning() +
      Keys{{"data.subset", "stratified"},           {"data.train_images", 30},
           {"data.validation_images", 10},          {"train.epochs", 3},
           {"train.schedule", "piecewise"},         {"train.milestones", config::List{0, 1}},
           {"train.rates", config::List{1e-4, 5.0}}};
  const Got best = run_trial(configuration(ruined + Keys{{"train.select", "best_validation"}}));
  const Got last = run_trial(configuration(ruined));
  REQUIRE(best.outcome.epochs.size() == 3);
  const auto winner = std::ranges::max_element(best.outcome.epochs, {},
                                               [](const EpochRecord& e) { return *e.top1; });
  CHECK(winner->epoch == 1);
  CHECK(best.outcome.selected_epoch == 1);
  CHECK(winner->split == "validation");
  CHECK(last.outcome.selected_epoch == 3);
  const Got first_alone = run_trial(configuration(ruined), {.stop_after_epochs = 1});
  CHECK(best.weights == first_alone.weights);
  CHECK(best.outcome.accuracy.bitmap() == first_alone.outcome.accuracy.bitmap());
  CHECK(best.weights != last.weights);
}

TEST_CASE("among equally good epochs the first is the result") {
  exec::set_threads(1);
  const Got got = run_trial(configuration(fine_tuning() + Keys{{"train.lr", 1e-12},
                                                               {"train.momentum", 0.0},
                                                               {"train.epochs", 2},
                                                               {"train.batch_size", 14},
                                                               {"train.select", "best_test"}}));
  REQUIRE(got.outcome.epochs.size() == 2);
  CHECK(got.outcome.epochs[0].split == "test");
  const bool later_is_better = *got.outcome.epochs[1].top1 > *got.outcome.epochs[0].top1;
  CHECK(got.outcome.selected_epoch == (later_is_better ? 2 : 1));
}

TEST_CASE("evaluations are as many as were asked for, and change nothing else") {
  exec::set_threads(1);
  const auto after = [](std::int64_t every) {
    return run_trial(configuration({{"train.epochs", 3}, {"train.eval_every", every}}));
  };
  const Got every = after(1), second = after(2), none = after(0);
  CHECK(steps_of(series(every.points, "top1")) == Steps{5, 10, 15});
  CHECK(steps_of(series(second.points, "top1")) == Steps{10});
  CHECK(series(none.points, "top1").empty());
  CHECK(none.weights == every.weights);
  CHECK(second.weights == every.weights);
  CHECK(none.outcome.accuracy.bitmap() == every.outcome.accuracy.bitmap());
}

TEST_CASE("series stand at the steps that they are taken at") {
  exec::set_threads(1);
  const Got got = run_trial(quantized({{"train.epochs", 2}, {"train.log_every", 3}}));
  const std::vector<std::string> alphas = alpha_series(got.points);
  CHECK(alphas.size() == 20);  // two in each of nine blocks, two shortcuts
  for (const std::string& name : alphas)
    CHECK(steps_of(series(got.points, name)) == Steps{3, 6, 9});
  for (const char* name : {"train.loss", "train.top1", "train.alpha_loss", "lr"}) {
    CAPTURE(name);
    const std::vector<Point> points = series(got.points, name);
    CHECK(steps_of(points) == Steps{3, 6, 9});
    for (const Point& p : points) CHECK_FALSE(p.epoch.has_value());
  }
  for (const char* name : {"epoch.train_loss", "epoch.train_top1", "epoch.lr", "top1", "loss"}) {
    CAPTURE(name);
    const std::vector<Point> points = series(got.points, name);
    REQUIRE(steps_of(points) == Steps{5, 10});
    CHECK(points[0].epoch == 1.0);
    CHECK(points[1].epoch == 2.0);
  }
  CHECK(series(got.points, "epoch.lr")[1].value == got.outcome.epochs[1].lr);
}

TEST_CASE("an epoch's loss is the mean over its images, whatever the batches") {
  exec::set_threads(1);
  const Got got = run_trial(configuration({{"train.epochs", 1}}));
  double sum = 0;
  const std::vector<Point> losses = series(got.points, "train.loss");
  REQUIRE(losses.size() == 5);
  for (std::size_t i = 0; i < losses.size(); ++i) sum += losses[i].value * (i < 4 ? 3 : 2);
  CHECK_THAT(got.outcome.epochs[0].train_loss, WithinRel(sum / 14, 1e-12));
}

TEST_CASE("the penalty of the clamps is part of their gradient and is reported") {
  exec::set_threads(1);
  constexpr double kLambda = 0.5, kRate = 0.01, kStart = 4;
  const auto one_step = [&](double lambda) {
    return run_trial(quantized({{"train.max_steps", 1},
                                {"train.lr", kRate},
                                {"quant.activation.alpha_init", kStart},
                                {"quant.activation.alpha_penalty", lambda}}));
  };
  const Got with = one_step(kLambda), without = one_step(0);
  const std::vector<double> pulled = alphas_at(with.points, 1), free = alphas_at(without.points, 1);
  REQUIRE(pulled.size() == 20);
  for (std::size_t i = 0; i < pulled.size(); ++i) {
    CHECK_THAT(free[i] - pulled[i], WithinAbs(kRate * 2 * kLambda * kStart, 2e-6));
  }
  const std::vector<Point> reported = series(with.points, "train.alpha_loss");
  REQUIRE(reported.size() == 1);
  CHECK_THAT(reported[0].value, WithinRel(kLambda * 20 * kStart * kStart, 1e-6));
  CHECK(series(without.points, "train.alpha_loss").at(0).value == 0);
  // The loss itself is that of the images.
  CHECK(series(with.points, "train.loss").at(0).value ==
        series(without.points, "train.loss").at(0).value);
}

TEST_CASE("a clamp's α stays above 0 unless it was said that it need not") {
  exec::set_threads(1);
  // 1 − lr · decay is negative: one step takes every α through 0.
  const auto one_step = [](bool positive) {
    return run_trial(quantized({{"train.max_steps", 1},
                                {"quant.activation.alpha_weight_decay", 100.0},
                                {"quant.activation.alpha_positive", positive}}));
  };
  CHECK(smallest(alphas_at(one_step(true).points, 1)) > 0);
  CHECK(smallest(alphas_at(one_step(false).points, 1)) < 0);
}

TEST_CASE("a trained network is the same network in post-training quantization") {
  exec::set_threads(1);
  const TemporaryFolder folder;
  const Got got = run_in(
      folder.path(),
      configuration(fine_tuning() + Keys{{"train.max_steps", 2}, {"data.test_images", 100}}));
  CHECK(got.outcome.accuracy.top1() > 0.7);
  CHECK(got.outcome.weights_sha256.size() == 64);
  const ptq::Outcome again =
      evaluate_file((folder.path() / "weights.safetensors").string(), 100, "A");
  CHECK(again.prepared.network->weights_sha256 == got.outcome.result_sha256);
  CHECK(again.accuracy.bitmap() == got.outcome.accuracy.bitmap());
  CHECK_THAT(again.accuracy.loss(), WithinRel(got.outcome.accuracy.loss(), 1e-5));
}

TEST_CASE("a scheme that folds batch norms cannot train") {
  CHECK_THROWS_AS(
      run_trial(configuration(
          {{"quant.scheme", "aciq"}, {"quant.weight.bits", 4}, {"quant.activation.bits", 4}})),
      ConfigError);
}

TEST_CASE("bfloat16 without a processor for it is refused, not emulated") {
  if (exec::has_bf16()) SKIP("this processor computes in bfloat16");
  CHECK_THROWS_AS(run_trial(configuration({{"train.precision", "bf16"}})), ConfigError);
}
