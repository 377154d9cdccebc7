#include "train/run.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>

#include "core/check.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/stopwatch.h"
#include "data/order.h"
#include "exec/device.h"
#include "export/alphas.h"
#include "export/weights.h"
#include "kernels/distillation_loss.h"
#include "kernels/range_math.h"
#include "ptq/statistics.h"
#include "train/schedule.h"

namespace bitsweep::train {
namespace {

using config::TrialConfig;
using nlohmann::json;

// α is kept at least this large where quant.alpha_positive asks for it: far below any useful range,
// and far from where (2^b − 1) / α overflows. A step of `lsq` is one code, not a range.
constexpr double kSmallestAlpha = 1e-4;
constexpr double kSmallestStep = kernels::kScaleFloor;

std::vector<float> to_host(const at::Tensor& tensor) {
  const c10::InferenceMode inference;
  const at::Tensor host = tensor.cpu().contiguous();
  const auto* values = host.const_data_ptr<float>();
  return {values, values + host.numel()};
}

void from_host(const std::vector<float>& values, at::Tensor& tensor) {
  const c10::InferenceMode inference;
  BITSWEEP_CHECK(static_cast<std::int64_t>(values.size()) == tensor.numel(), "{} values for {}",
                 values.size(), tensor.numel());
  tensor.copy_(at::from_blob(const_cast<float*>(values.data()), tensor.sizes(),
                             at::TensorOptions(at::kFloat)));
}

}  // namespace

Run::Run(const TrialConfig& config, const graph::Graph& graph, const quant::SitePlan& sites,
         const graph::Parameters* teacher, Batches& batches, at::Device device,
         const Folders& folders, const Listener& listener)
    : config_(config),
      graph_(graph),
      batches_(batches),
      folders_(folders),
      listener_(listener),
      training_(graph, sites, config.train.precision, device),
      evaluator_(graph, sites, config::Precision::fp32, device),
      optimizer_(config.train,
                 config.quant.dorefa_pact.alpha_weight_decay.value_or(config.train.weight_decay),
                 training_) {
  total_steps_ = config.train.epochs * batches.steps_per_epoch();
  if (config.train.max_steps) total_steps_ = std::min(total_steps_, *config.train.max_steps);
  BITSWEEP_CHECK(config.train.distillation.is_on() == (teacher != nullptr),
                 "a teacher without distillation, or the other way round");
  if (teacher != nullptr) {
    teacher_ =
        std::make_unique<exec::Training>(graph, quant::SitePlan{}, config.train.precision, device);
    teacher_->load(*teacher);
  }
  identity_ = exec::fingerprint(device, config.train.precision);
  identity_["key"] = folders.key;
}

void Run::start(const graph::Parameters& parameters, const json& alphas) {
  training_.load(parameters);
  std::vector<float> values = to_host(training_.alphas());
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = alphas.value(training_.alpha_names()[i], values[i]);
  }
  from_host(values, training_.alphas());
  training_.find_steps(batches_.of_step(0).images);
}

std::optional<std::string> Run::resume() {
  for (const std::filesystem::path& path : folders_.resume) {
    try {
      set_state(load_checkpoint(path, identity_));
    } catch (const DataError& error) {
      spdlog::warn("not resumed: {}", error.what());
      continue;
    }
    return path.string();
  }
  return std::nullopt;
}

void Run::run(std::optional<std::int64_t> stop_after_epochs, Outcome& outcome) {
  const Stopwatch all;
  const std::int64_t per_epoch = batches_.steps_per_epoch();
  const std::int64_t end =
      stop_after_epochs ? std::min(total_steps_, *stop_after_epochs * per_epoch) : total_steps_;
  while (step_ < end) {
    one_step();
    const bool epoch_ends = step_ % per_epoch == 0 || step_ == total_steps_;
    if (epoch_ends) end_epoch();
    report_progress("train", step_, total_steps_, "steps");
    if (step_ < end && listener_.stop && listener_.stop()) {
      checkpoint();
      outcome.stopped = true;
      return;
    }
    if (epoch_ends && step_ < end) checkpoint();
  }
  outcome.train_s = all.seconds() - evaluate_s_;
  finish(outcome);
}

void Run::report_progress(const char* phase, std::int64_t done, std::int64_t total,
                          const char* unit) const {
  if (listener_.progress) listener_.progress(phase, done, total, unit);
}

void Run::report(const std::vector<Point>& points) const {
  if (listener_.metrics && !points.empty()) listener_.metrics(points);
}

// ---- one step ----
std::pair<at::Tensor, kernels::LossSum> Run::loss_of(const at::Tensor& logits, const Batch& batch) {
  const c10::InferenceMode inference;
  const at::Tensor grad = at::empty(logits.sizes(), logits.options());
  const std::int64_t rows = logits.size(0), classes = logits.size(1);
  kernels::LossSum sum{};
  if (logits.is_cuda()) {
    const at::Tensor labels = batch.labels.to(logits.device());
    const at::Tensor out = at::empty({static_cast<std::int64_t>(sizeof(kernels::LossSum))},
                                     logits.options().dtype(at::kByte));
    kernels::softmax_loss_cuda(logits.const_data_ptr<float>(),
                               labels.const_data_ptr<std::int32_t>(), rows, classes,
                               config_.train.label_smoothing, grad.mutable_data_ptr<float>(),
                               static_cast<kernels::LossSum*>(out.mutable_data_ptr()), {});
    sum = *static_cast<const kernels::LossSum*>(out.cpu().const_data_ptr());
  } else {
    kernels::softmax_loss_cpu(logits.const_data_ptr<float>(),
                              batch.labels.const_data_ptr<std::int32_t>(), rows, classes,
                              config_.train.label_smoothing, grad.mutable_data_ptr<float>(), &sum);
  }
  return {grad, sum};
}

void Run::distil(const at::Tensor& logits, const Batch& batch, at::Tensor& grad,
                 kernels::LossSum& sum) {
  const c10::InferenceMode inference;
  const config::DistillationConfig& settings = config_.train.distillation;
  const at::Tensor teacher =
      teacher_->forward(batch.images, exec::NormMode::evaluate).cpu().contiguous();
  const at::Tensor student = logits.cpu().contiguous();
  at::Tensor mixed = grad.cpu().contiguous();
  const double loss = kernels::distillation_loss_cpu(
      student.const_data_ptr<float>(), teacher.const_data_ptr<float>(), student.size(0),
      student.size(1), {settings.temperature, settings.weight}, mixed.mutable_data_ptr<float>());
  grad = mixed.to(grad.device());
  const double of_labels = settings.weight < 1 ? (1 - settings.weight) * sum.loss : 0;
  sum.loss = of_labels + settings.weight * loss;
  distillation_loss_ = loss / static_cast<double>(student.size(0));
}

// λ·Σα² is part of the loss (facts 002 A.4.3).
void Run::penalize_alphas() {
  if (training_.alphas().numel() == 0) return;
  const c10::InferenceMode inference;
  training_.alpha_gradients().add_(training_.alphas(), 2 * config_.quant.dorefa_pact.alpha_penalty);
}

double Run::alpha_penalty() const {
  double sum = 0;
  for (const float alpha : to_host(training_.alphas())) sum += static_cast<double>(alpha) * alpha;
  return config_.quant.dorefa_pact.alpha_penalty * sum;
}

void Run::keep_alphas_positive() {
  if (training_.alphas().numel() == 0 || !config_.quant.dorefa_pact.alpha_positive) return;
  const c10::InferenceMode inference;
  training_.alphas().clamp_min_(config_.quant.activation.quantizer == "lsq" ? kSmallestStep
                                                                            : kSmallestAlpha);
}

void Run::one_step() {
  const Batch batch = batches_.of_step(step_);
  const at::Tensor logits = training_.forward(batch.images, exec::NormMode::train,
                                              {config_.seed, static_cast<std::uint32_t>(step_)});
  auto [grad, sum] = loss_of(logits, batch);
  if (teacher_) distil(logits, batch, grad, sum);
  const std::int64_t images = logits.size(0);
  const double loss = sum.loss / static_cast<double>(images);
  if (!std::isfinite(loss)) diverged(step_ + 1, fmt::format("the loss is {}", loss), training_);
  training_.backward(grad);
  penalize_alphas();
  const bool logs = (step_ + 1) % config_.train.log_every == 0;
  const double penalty = logs ? alpha_penalty() : 0;  // of this step's α, before it changes
  const double lr = learning_rate(config_.train, step_, batches_.steps_per_epoch());
  optimizer_.step(lr);
  keep_alphas_positive();
  ++step_;
  last_lr_ = lr;
  running_.loss += sum.loss;
  running_.correct += sum.correct;
  running_.images += images;
  images_trained_ += images;
  if (logs) {
    log_step(loss, static_cast<double>(sum.correct) / static_cast<double>(images), penalty);
  }
}

void Run::diverged(std::int64_t step, const std::string& what, const exec::Training& where) const {
  throw ptq::Diverged(
      fmt::format("step {} (epoch {}): {}; the first value that is not finite is in '{}'", step,
                  (step - 1) / batches_.steps_per_epoch() + 1, what,
                  where.first_not_finite().value_or("the loss itself")));
}

void Run::log_step(double loss, double top1, double penalty) const {
  std::vector<Point> points;
  const auto point = [&](std::string name, double value) {
    points.push_back({std::move(name), value, step_, std::nullopt});
  };
  point("train.loss", loss);
  point("train.top1", top1);
  if (teacher_) point("train.distillation_loss", distillation_loss_);
  point("lr", last_lr_);
  const std::vector<float> alphas = to_host(training_.alphas());
  if (!alphas.empty()) point("train.alpha_loss", penalty);
  for (std::size_t i = 0; i < alphas.size(); ++i) {
    point("alpha." + training_.alpha_names()[i], alphas[i]);
  }
  report(points);
}

// ---- evaluation ----

ptq::Accuracy Run::evaluate(const data::Images& images, std::span<const std::int64_t> positions) {
  const Stopwatch watch;
  const c10::InferenceMode inference;
  evaluator_.parameters().copy_(training_.parameters());
  evaluator_.alphas().copy_(training_.alphas());
  const auto total = static_cast<std::int64_t>(positions.size());
  ptq::Accuracy accuracy(total);
  for (std::int64_t begin = 0; begin < total; begin += config_.eval.batch_size) {
    const auto part = positions.subspan(
        static_cast<std::size_t>(begin),
        static_cast<std::size_t>(std::min(config_.eval.batch_size, total - begin)));
    const Batch batch = batches_.plain(images, part);
    const at::Tensor logits =
        evaluator_.forward(batch.images, exec::NormMode::evaluate).cpu().contiguous();
    const auto classes = static_cast<std::size_t>(logits.size(1));
    try {
      for (std::size_t i = 0; i < part.size(); ++i) {
        accuracy.add(begin + static_cast<std::int64_t>(i),
                     {logits.const_data_ptr<float>() + i * classes, classes},
                     batch.labels.const_data_ptr<std::int32_t>()[i]);
      }
    } catch (const ptq::Diverged& error) {  // the step before left it so
      diverged(step_, fmt::format("in the evaluation after it, {}", error.what()), evaluator_);
    }
    report_progress("evaluate", begin + static_cast<std::int64_t>(part.size()), total, "images");
  }
  evaluate_s_ += watch.seconds();
  return accuracy;
}

ptq::Accuracy Run::evaluate_test() {
  return evaluate(batches_.test(), data::file_order(batches_.test().count()));
}

// What evaluate_test() just ran, in whole numbers.
IntegerEvaluation Run::evaluate_test_in_integers() {
  const integer::Network network = integer_network(graph_, evaluator_, integer_settings(config_));
  const data::Images& images = batches_.test();
  IntegerEvaluation out = evaluate_integers(
      network, evaluator_, batches_, images, data::file_order(images.count()),
      config_.eval.batch_size,
      [&](std::int64_t done) { report_progress("evaluate", done, images.count(), "images"); });
  for (const std::string& step : out.slow_steps) {
    spdlog::warn("in whole numbers without a kernel, slowly: {}", step);
  }
  return out;
}

// ---- the end of an epoch ----

// On validation images where there are some, else on the test images.
void Run::evaluate_epoch(EpochRecord& record) {
  const bool validates = !batches_.validation().empty() && config_.train.select != "best_test";
  record.split = validates ? "validation" : "test";
  const std::int64_t every = config_.train.eval_every;
  const bool is_its_turn = every > 0 && record.epoch % every == 0;
  const bool is_last = step_ == total_steps_ && validates;  // the test images follow anyway
  if (!selects() && !is_its_turn && !is_last) return;
  const ptq::Accuracy accuracy =
      validates ? evaluate(batches_.train(), batches_.validation()) : evaluate_test();
  record.top1 = accuracy.top1();
  record.loss = accuracy.loss();
}

void Run::end_epoch() {
  EpochRecord record;
  record.step = step_;
  record.epoch = (step_ - 1) / batches_.steps_per_epoch() + 1;
  record.lr = last_lr_;
  const auto images = static_cast<double>(running_.images);
  record.train_loss = running_.loss / images;
  record.train_top1 = static_cast<double>(running_.correct) / images;
  running_ = {};
  evaluate_epoch(record);
  if (selects() && (best_.epoch == 0 || *record.top1 > best_.top1)) {
    best_ = {record.epoch, *record.top1, to_host(training_.parameters()),
             to_host(training_.alphas())};
  }
  record.state_sha256 = state_sha256(state());
  epochs_.push_back(record);
  report_epoch(record);
}

void Run::report_epoch(const EpochRecord& record) const {
  std::vector<Point> points;
  const auto point = [&](const char* name, double value) {
    points.push_back({name, value, step_, static_cast<double>(record.epoch)});
  };
  point("epoch.train_loss", record.train_loss);
  point("epoch.train_top1", record.train_top1);
  point("epoch.lr", record.lr);
  if (record.top1) {
    point("top1", *record.top1);
    point("loss", *record.loss);
  }
  report(points);
}

// ---- state ----

State Run::state() {
  State out;
  out.step = step_;
  out.tensors["parameters"] = to_host(training_.parameters());
  if (training_.alphas().numel() > 0) out.tensors["alpha"] = to_host(training_.alphas());
  for (const Optimizer::Moment& moment : optimizer_.moments()) {
    if (moment.values.numel() > 0) out.tensors[moment.name] = to_host(moment.values);
  }
  if (best_.epoch > 0) {
    out.tensors["best_parameters"] = best_.parameters;
    if (!best_.alphas.empty()) out.tensors["best_alpha"] = best_.alphas;
  }
  out.progress = {{"epoch_loss", running_.loss},     {"epoch_correct", running_.correct},
                  {"epoch_images", running_.images}, {"lr", last_lr_},
                  {"best_epoch", best_.epoch},       {"best_top1", best_.top1},
                  {"epochs", json::array()}};
  for (const EpochRecord& record : epochs_) out.progress["epochs"].push_back(to_json(record));
  return out;
}

void Run::set_state(const State& from) {
  step_ = from.step;
  from_host(from.tensors.at("parameters"), training_.parameters());
  if (training_.alphas().numel() > 0) from_host(from.tensors.at("alpha"), training_.alphas());
  for (Optimizer::Moment& moment : optimizer_.moments()) {
    if (moment.values.numel() > 0) from_host(from.tensors.at(moment.name), moment.values);
  }
  optimizer_.set_steps(step_);
  const json& p = from.progress;
  running_ = {p.at("epoch_loss").get<double>(), p.at("epoch_correct").get<std::int64_t>(),
              p.at("epoch_images").get<std::int64_t>()};
  last_lr_ = p.at("lr").get<double>();
  best_.epoch = p.at("best_epoch").get<std::int64_t>();
  best_.top1 = p.at("best_top1").get<double>();
  if (best_.epoch > 0) {
    best_.parameters = from.tensors.at("best_parameters");
    if (from.tensors.contains("best_alpha")) best_.alphas = from.tensors.at("best_alpha");
  }
  epochs_.clear();
  for (const json& record : p.at("epochs")) epochs_.push_back(epoch_from_json(record));
}

void Run::checkpoint() {
  const std::filesystem::path folder = folders_.attempt / "checkpoints";
  std::filesystem::create_directories(folder);
  save_checkpoint(folder / fmt::format("{:08}.safetensors", step_), state(), identity_);
}

// ---- the end ----

void Run::finish(Outcome& outcome) {
  outcome.state_sha256 = epochs_.empty() ? state_sha256(state()) : epochs_.back().state_sha256;
  outcome.selected_epoch =
      best_.epoch > 0 ? best_.epoch : (epochs_.empty() ? 0 : epochs_.back().epoch);
  checkpoint();
  if (best_.epoch > 0) {
    from_host(best_.parameters, training_.parameters());
    if (!best_.alphas.empty()) from_host(best_.alphas, training_.alphas());
  }
  reestimate_norms();
  outcome.accuracy = evaluate_test();
  if (config_.quant.integer.execute) outcome.integer = evaluate_test_in_integers();
  outcome.evaluate_s = evaluate_s_;
  outcome.epochs = epochs_;
  outcome.steps = step_;
  outcome.images_trained = images_trained_;
  if (!epochs_.empty()) {
    outcome.train_loss = epochs_.back().train_loss;
    outcome.train_top1 = epochs_.back().train_top1;
  }
  save_weights(outcome);
}

// With the weights of the result: after the epoch is selected, before it is evaluated.
void Run::reestimate_norms() {
  if (config_.train.norm_batches == 0) return;
  const c10::InferenceMode inference;
  evaluator_.parameters().copy_(training_.parameters());
  evaluator_.alphas().copy_(training_.alphas());
  std::span<const std::int64_t> left = batches_.training();
  for (std::int64_t batch = 0; batch < config_.train.norm_batches && !left.empty(); ++batch) {
    const auto size = std::min(left.size(), static_cast<std::size_t>(config_.train.batch_size));
    evaluator_.forward(batches_.plain(batches_.train(), left.first(size)).images,
                       exec::NormMode::reestimate);
    left = left.subspan(size);
  }
  training_.parameters().copy_(evaluator_.parameters());
}

void Run::save_weights(Outcome& outcome) {
  graph::Parameters parameters(graph_);
  training_.store(parameters);
  const std::vector<float> values = to_host(training_.alphas());
  json alphas = json::object();
  for (std::size_t i = 0; i < values.size(); ++i) alphas[training_.alpha_names()[i]] = values[i];
  const std::filesystem::path path = folders_.attempt / "weights.safetensors";
  exporting::Metadata metadata = {{"bitsweep.trial", folders_.key},
                                  {"bitsweep.epoch", std::to_string(outcome.selected_epoch)},
                                  {"bitsweep.top1", fmt::format("{}", outcome.accuracy.top1())}};
  if (!alphas.empty()) metadata[exporting::kAlphaMetadata] = alphas.dump();
  if (!alphas.empty() && config_.quant.activation.quantizer == "lsq") {
    metadata[exporting::kAlphaKindMetadata] = exporting::kStepKind;
  }
  exporting::save_weights(path, parameters, metadata);
  outcome.result_sha256 = sha256_file(path);
}

}  // namespace bitsweep::train
