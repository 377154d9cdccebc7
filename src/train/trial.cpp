#include "train/trial.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/error.h"
#include "core/hash.h"
#include "core/log.h"
#include "data/augment.h"
#include "data/normalize.h"
#include "data/order.h"
#include "data/split.h"
#include "exec/device.h"
#include "exec/training.h"
#include "export/weights.h"
#include "kernels/softmax_loss.h"
#include "models/model.h"
#include "ptq/statistics.h"
#include "quant/scheme.h"
#include "train/initialize.h"
#include "train/optimizer.h"
#include "train/schedule.h"
#include "train/state.h"

namespace bitsweep::train {
namespace {

using config::TrialConfig;
using nlohmann::json;

// α is kept at least this large where quant.alpha_positive asks for it: far below any useful range,
// and far from where (2^b − 1) / α overflows.
constexpr double kSmallestAlpha = 1e-4;

class Stopwatch {
 public:
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

data::Subset subset_of(const config::DataConfig& data) {
  return data.subset == "stratified" ? data::Subset::stratified : data::Subset::first;
}

json to_json(const EpochRecord& r) {
  json out = {{"epoch", r.epoch},
              {"step", r.step},
              {"state_sha256", r.state_sha256},
              {"lr", r.lr},
              {"train_loss", r.train_loss},
              {"train_top1", r.train_top1},
              {"split", r.split}};
  if (r.top1) out["top1"] = *r.top1;
  if (r.loss) out["loss"] = *r.loss;
  return out;
}

EpochRecord epoch_from_json(const json& object) {
  EpochRecord r;
  r.epoch = object.at("epoch").get<std::int64_t>();
  r.step = object.at("step").get<std::int64_t>();
  r.state_sha256 = object.at("state_sha256").get<std::string>();
  r.lr = object.at("lr").get<double>();
  r.train_loss = object.at("train_loss").get<double>();
  r.train_top1 = object.at("train_top1").get<double>();
  r.split = object.at("split").get<std::string>();
  if (object.contains("top1")) r.top1 = object.at("top1").get<double>();
  if (object.contains("loss")) r.loss = object.at("loss").get<double>();
  return r;
}

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

// The network and the sites of its quantizers.
struct Network {
  graph::Graph graph;
  quant::SitePlan sites;
};

Network network_of(const TrialConfig& config, const data::Dataset& dataset) {
  const graph::Graph network = models::build_model(config.model, dataset.num_classes());
  if (network.num_classes() < dataset.num_classes()) {
    throw ConfigError(fmt::format("model.num_classes = {}: data set '{}' has {} classes",
                                  network.num_classes(), dataset.name, dataset.num_classes()));
  }
  quant::PlannedNetwork plan = quant::plan_network(network, config.quant);
  if (plan.folding.graph.nodes().size() != network.nodes().size()) {
    throw ConfigError(fmt::format(
        "quant.scheme = '{}' folds batch norms and cannot train; expected none or dorefa_pact",
        config.quant.scheme));
  }
  return {std::move(plan.folding.graph), std::move(plan.sites)};
}

// The numbers of the running epoch.
struct Running {
  double loss = 0;  // summed over images
  std::int64_t correct = 0;
  std::int64_t images = 0;
};

// Labelled images on the device, as the network reads them.
struct Batch {
  at::Tensor images;  // channels last
  at::Tensor labels;  // int32
};

// A training under way: everything between one step and the next.
class Run {
 public:
  Run(const TrialConfig& config, const data::Dataset& dataset, Network& network,
      std::shared_ptr<const data::Images> train, std::shared_ptr<const data::Images> test,
      c10::Device device, const Folders& folders, const Listener& listener)
      : config_(config),
        network_(network),
        train_(std::move(train)),
        test_(std::move(test)),
        split_(data::split_validation(*train_, config.data.validation_images.value_or(0))),
        normalization_(data::normalization(config.data.normalize, dataset)),
        device_(device),
        folders_(folders),
        listener_(listener),
        training_(network.graph, network.sites, config.train.precision, device),
        evaluator_(network.graph, network.sites, config::Precision::fp32, device),
        optimizer_(config.train,
                   config.quant.dorefa_pact.alpha_weight_decay.value_or(config.train.weight_decay),
                   training_) {
    const auto images = static_cast<std::int64_t>(split_.training.size());
    steps_per_epoch_ = (images + config.train.batch_size - 1) / config.train.batch_size;
    total_steps_ = config.train.epochs * steps_per_epoch_;
    if (config.train.max_steps) total_steps_ = std::min(total_steps_, *config.train.max_steps);
    identity_ = exec::fingerprint(device, config.train.precision);
    identity_["key"] = folders.key;
  }

  void start(const graph::Parameters& parameters) { training_.load(parameters); }

  // Goes on from the first checkpoint that fits.
  void resume(Outcome& outcome) {
    for (const std::filesystem::path& path : folders_.resume) {
      try {
        set_state(load_checkpoint(path, identity_));
      } catch (const DataError& error) {
        spdlog::warn("not resumed: {}", error.what());
        continue;
      }
      outcome.resumed_from = path.string();
      return;
    }
  }

  void run(std::optional<std::int64_t> stop_after_epochs, Outcome& outcome) {
    const Stopwatch all;
    const std::int64_t end = stop_after_epochs
                                 ? std::min(total_steps_, *stop_after_epochs * steps_per_epoch_)
                                 : total_steps_;
    while (step_ < end) {
      one_step(outcome);
      const bool epoch_ends = step_ % steps_per_epoch_ == 0 || step_ == total_steps_;
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

 private:
  std::int64_t epoch() const { return step_ / steps_per_epoch_; }

  void report_progress(const char* phase, std::int64_t done, std::int64_t total,
                       const char* unit) const {
    if (listener_.progress) listener_.progress(phase, done, total, unit);
  }

  void report(const std::vector<Point>& points) const {
    if (listener_.metrics && !points.empty()) listener_.metrics(points);
  }

  // ---- one step ----

  // Host buffers that are filled again and again, on the device where that is another.
  Batch gather(std::span<const std::int64_t> positions, const data::Images& images, bool augment) {
    const c10::InferenceMode inference;
    const auto count = static_cast<std::int64_t>(positions.size());
    const data::ImageShape& shape = images.shape;
    Batch batch;
    batch.images =
        at::empty({count, shape.channels, shape.height, shape.width},
                  at::TensorOptions(at::kFloat).memory_format(at::MemoryFormat::ChannelsLast));
    batch.labels = at::empty({count}, at::TensorOptions(at::kInt));
    auto* out = batch.images.mutable_data_ptr<float>();
    auto* labels = batch.labels.mutable_data_ptr<std::int32_t>();
    if (augment) {
      data::training_batch(images, positions, normalization_, {}, config_.seed,
                           static_cast<std::uint32_t>(epoch()), out, labels);
    } else {
      data::evaluation_batch(images, positions, normalization_, out, labels);
    }
    batch.images = batch.images.to(device_);
    return batch;
  }

  std::span<const std::int64_t> positions_of_step() {
    if (order_epoch_ != epoch()) {
      const auto drawn = data::epoch_order(static_cast<std::int64_t>(split_.training.size()),
                                           config_.seed, static_cast<std::uint32_t>(epoch()));
      order_.clear();
      for (const std::int64_t i : drawn) {
        order_.push_back(split_.training[static_cast<std::size_t>(i)]);
      }
      order_epoch_ = epoch();
    }
    const auto begin =
        static_cast<std::size_t>(step_ % steps_per_epoch_ * config_.train.batch_size);
    return std::span(order_).subspan(
        begin, std::min(static_cast<std::size_t>(config_.train.batch_size), order_.size() - begin));
  }

  // d(mean loss)/d(logits), and the sums over the batch.
  std::pair<at::Tensor, kernels::LossSum> loss_of(const at::Tensor& logits, const Batch& batch) {
    const c10::InferenceMode inference;
    const at::Tensor grad = at::empty(logits.sizes(), logits.options());
    const std::int64_t rows = logits.size(0), classes = logits.size(1);
    kernels::LossSum sum{};
    if (logits.is_cuda()) {
      const at::Tensor labels = batch.labels.to(device_);
      const at::Tensor out = at::empty({static_cast<std::int64_t>(sizeof(kernels::LossSum))},
                                       logits.options().dtype(at::kByte));
      kernels::softmax_loss_cuda(logits.const_data_ptr<float>(),
                                 labels.const_data_ptr<std::int32_t>(), rows, classes,
                                 config_.train.label_smoothing, grad.mutable_data_ptr<float>(),
                                 static_cast<kernels::LossSum*>(out.mutable_data_ptr()), {});
      sum = *static_cast<const kernels::LossSum*>(out.cpu().const_data_ptr());
    } else {
      kernels::softmax_loss_cpu(
          logits.const_data_ptr<float>(), batch.labels.const_data_ptr<std::int32_t>(), rows,
          classes, config_.train.label_smoothing, grad.mutable_data_ptr<float>(), &sum);
    }
    return {grad, sum};
  }

  // λ·Σα² is part of the loss (facts 002 A.4.3).
  void penalize_alphas() {
    if (training_.alphas().numel() == 0) return;
    const c10::InferenceMode inference;
    training_.alpha_gradients().add_(training_.alphas(),
                                     2 * config_.quant.dorefa_pact.alpha_penalty);
  }

  double alpha_penalty() const {
    double sum = 0;
    for (const float alpha : to_host(training_.alphas())) sum += static_cast<double>(alpha) * alpha;
    return config_.quant.dorefa_pact.alpha_penalty * sum;
  }

  void keep_alphas_positive() {
    if (training_.alphas().numel() == 0 || !config_.quant.dorefa_pact.alpha_positive) return;
    const c10::InferenceMode inference;
    training_.alphas().clamp_min_(kSmallestAlpha);
  }

  void one_step(Outcome& outcome) {
    const Batch batch = gather(positions_of_step(), *train_, config_.train.augment);
    const at::Tensor logits = training_.forward(batch.images, exec::NormMode::train,
                                                {config_.seed, static_cast<std::uint32_t>(step_)});
    const auto [grad, sum] = loss_of(logits, batch);
    const std::int64_t images = logits.size(0);
    const double loss = sum.loss / static_cast<double>(images);
    if (!std::isfinite(loss)) diverged(step_ + 1, fmt::format("the loss is {}", loss), training_);
    training_.backward(grad);
    penalize_alphas();
    const bool logs = (step_ + 1) % config_.train.log_every == 0;
    const double penalty = logs ? alpha_penalty() : 0;  // of this step's α, before it changes
    const double lr = learning_rate(config_.train, step_, steps_per_epoch_);
    optimizer_.step(lr);
    keep_alphas_positive();
    ++step_;
    last_lr_ = lr;
    running_.loss += sum.loss;
    running_.correct += sum.correct;
    running_.images += images;
    outcome.images_trained += images;
    if (logs) {
      log_step(loss, static_cast<double>(sum.correct) / static_cast<double>(images), penalty);
    }
  }

  // step: from 1. `where`: what was computing.
  [[noreturn]] void diverged(std::int64_t step, const std::string& what,
                             const exec::Training& where) const {
    throw ptq::Diverged(
        fmt::format("step {} (epoch {}): {}; the first value that is not finite is in '{}'", step,
                    (step - 1) / steps_per_epoch_ + 1, what,
                    where.first_not_finite().value_or("the loss itself")));
  }

  void log_step(double loss, double top1, double penalty) const {
    std::vector<Point> points;
    const auto point = [&](std::string name, double value) {
      points.push_back({std::move(name), value, step_, std::nullopt});
    };
    point("train.loss", loss);
    point("train.top1", top1);
    point("lr", last_lr_);
    const std::vector<float> alphas = to_host(training_.alphas());
    if (!alphas.empty()) point("train.alpha_loss", penalty);
    for (std::size_t i = 0; i < alphas.size(); ++i) {
      point("alpha." + training_.alpha_names()[i], alphas[i]);
    }
    report(points);
  }

  // ---- evaluation ----

  ptq::Accuracy evaluate(const data::Images& images, std::span<const std::int64_t> positions) {
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
      const Batch batch = gather(part, images, false);
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

  ptq::Accuracy evaluate_test() { return evaluate(*test_, data::file_order(test_->count())); }

  // ---- the end of an epoch ----

  bool selects() const { return config_.train.select != "last"; }

  void end_epoch() {
    EpochRecord record;
    record.step = step_;
    record.epoch = (step_ + steps_per_epoch_ - 1) / steps_per_epoch_;
    record.lr = last_lr_;
    const auto images = static_cast<double>(running_.images);
    record.train_loss = running_.loss / images;
    record.train_top1 = static_cast<double>(running_.correct) / images;
    running_ = {};
    const bool last = step_ == total_steps_;
    const std::int64_t every = config_.train.eval_every;
    const bool validates = !split_.validation.empty();
    record.split = validates ? "validation" : "test";
    if (selects() || (every > 0 && record.epoch % every == 0) || (last && validates)) {
      const ptq::Accuracy accuracy = validates && config_.train.select != "best_test"
                                         ? evaluate(*train_, split_.validation)
                                         : evaluate_test();
      if (config_.train.select == "best_test") record.split = "test";
      record.top1 = accuracy.top1();
      record.loss = accuracy.loss();
    }
    if (selects() && (best_epoch_ == 0 || *record.top1 > best_top1_)) {
      best_epoch_ = record.epoch;
      best_top1_ = *record.top1;
      best_parameters_ = to_host(training_.parameters());
      best_alphas_ = to_host(training_.alphas());
    }
    record.state_sha256 = state_sha256(state());
    epochs_.push_back(record);
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

  State state() {
    State out;
    out.step = step_;
    out.tensors["parameters"] = to_host(training_.parameters());
    if (training_.alphas().numel() > 0) out.tensors["alpha"] = to_host(training_.alphas());
    for (const Optimizer::Moment& moment : optimizer_.moments()) {
      if (moment.values.numel() > 0) out.tensors[moment.name] = to_host(moment.values);
    }
    if (best_epoch_ > 0) {
      out.tensors["best_parameters"] = best_parameters_;
      if (!best_alphas_.empty()) out.tensors["best_alpha"] = best_alphas_;
    }
    out.progress = {{"epoch_loss", running_.loss},     {"epoch_correct", running_.correct},
                    {"epoch_images", running_.images}, {"lr", last_lr_},
                    {"best_epoch", best_epoch_},       {"best_top1", best_top1_},
                    {"epochs", json::array()}};
    for (const EpochRecord& record : epochs_) out.progress["epochs"].push_back(to_json(record));
    return out;
  }

  void set_state(const State& from) {
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
    best_epoch_ = p.at("best_epoch").get<std::int64_t>();
    best_top1_ = p.at("best_top1").get<double>();
    if (best_epoch_ > 0) {
      best_parameters_ = from.tensors.at("best_parameters");
      if (from.tensors.contains("best_alpha")) best_alphas_ = from.tensors.at("best_alpha");
    }
    epochs_.clear();
    for (const json& record : p.at("epochs")) epochs_.push_back(epoch_from_json(record));
  }

  void checkpoint() {
    const std::filesystem::path folder = folders_.attempt / "checkpoints";
    std::filesystem::create_directories(folder);
    save_checkpoint(folder / fmt::format("{:08}.safetensors", step_), state(), identity_);
  }

  // ---- the end ----

  void finish(Outcome& outcome) {
    outcome.state_sha256 = epochs_.empty() ? state_sha256(state()) : epochs_.back().state_sha256;
    outcome.selected_epoch =
        best_epoch_ > 0 ? best_epoch_ : (epochs_.empty() ? 0 : epochs_.back().epoch);
    checkpoint();
    if (best_epoch_ > 0) {
      from_host(best_parameters_, training_.parameters());
      if (!best_alphas_.empty()) from_host(best_alphas_, training_.alphas());
    }
    outcome.accuracy = evaluate_test();
    outcome.evaluate_s = evaluate_s_;
    outcome.epochs = epochs_;
    outcome.steps = step_;
    if (!epochs_.empty()) {
      outcome.train_loss = epochs_.back().train_loss;
      outcome.train_top1 = epochs_.back().train_top1;
    }
    save_weights(outcome);
  }

  // The network's tensors, and α as metadata, so that the file loads into the network with or
  // without quantizers.
  void save_weights(Outcome& outcome) {
    graph::Parameters parameters(network_.graph);
    training_.store(parameters);
    const std::vector<float> values = to_host(training_.alphas());
    json alphas = json::object();
    for (std::size_t i = 0; i < values.size(); ++i) alphas[training_.alpha_names()[i]] = values[i];
    const std::filesystem::path path = folders_.attempt / "weights.safetensors";
    exporting::Metadata metadata = {{"bitsweep.trial", folders_.key},
                                    {"bitsweep.epoch", std::to_string(outcome.selected_epoch)},
                                    {"bitsweep.top1", fmt::format("{}", outcome.accuracy.top1())}};
    if (!alphas.empty()) metadata["bitsweep.alpha"] = alphas.dump();
    exporting::save_weights(path, parameters, metadata);
    outcome.result_sha256 = sha256_file(path);
  }

  const TrialConfig& config_;
  Network& network_;
  std::shared_ptr<const data::Images> train_, test_;
  data::TrainSplit split_;
  data::Normalization normalization_;
  c10::Device device_;
  const Folders& folders_;
  const Listener& listener_;
  exec::Training training_;
  exec::Training evaluator_;
  Optimizer optimizer_;
  std::int64_t steps_per_epoch_ = 0;
  std::int64_t total_steps_ = 0;
  json identity_;  // of its checkpoints

  std::int64_t step_ = 0;  // done
  Running running_;
  double last_lr_ = 0;
  std::vector<EpochRecord> epochs_;
  std::int64_t best_epoch_ = 0;
  double best_top1_ = 0;
  std::vector<float> best_parameters_, best_alphas_;
  std::vector<std::int64_t> order_;
  std::int64_t order_epoch_ = -1;
  double evaluate_s_ = 0;
};

void check_precision(const TrialConfig& config, c10::Device device) {
  if (config.train.precision == config::Precision::bf16 && device.is_cpu() && !exec::has_bf16()) {
    throw ConfigError(
        "train.precision = \"bf16\": this processor does not compute in bfloat16 (no AVX512-BF16)");
  }
}

}  // namespace

std::shared_ptr<const data::Images> Session::images(const data::Dataset& dataset,
                                                    const data::Selection& selection,
                                                    const std::string& root) {
  const std::string key =
      fmt::format("{} {} {} {} {}", dataset.name, data::to_string(selection.split),
                  selection.images.value_or(-1), static_cast<int>(selection.subset), root);
  const auto it = images_.find(key);
  if (it != images_.end()) return it->second;
  if (images_.size() >= 4) images_.clear();
  return images_[key] =
             std::make_shared<const data::Images>(data::load_images(dataset, selection, root));
}

Outcome Session::run(const TrialConfig& config, const Folders& folders, const Listener& listener,
                     std::optional<std::int64_t> stop_after_epochs) {
  check_precision(config, device_);
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  Network network = network_of(config, dataset);
  Outcome outcome;
  graph::Parameters parameters(network.graph);
  if (config.model.weights.empty()) {
    initialize(network.graph, models::initialization(config.model), config.seed, parameters);
  } else {
    parameters = exporting::load_weights(config.model.weights, network.graph);
    outcome.weights_sha256 = sha256_file(config.model.weights);
  }
  Run run(config, dataset, network,
          images(dataset, {data::Split::train, config.data.train_images, subset_of(config.data)},
                 config.data.root),
          images(dataset, {data::Split::test, config.data.test_images, subset_of(config.data)},
                 config.data.root),
          device_, folders, listener);
  run.start(parameters);
  run.resume(outcome);
  run.run(stop_after_epochs, outcome);
  if (outcome.stopped) return outcome;
  outcome.counts = graph::count(network.graph, quant::bit_table(network.graph, network.sites));
  outcome.graph = std::make_shared<const graph::Graph>(std::move(network.graph));
  return outcome;
}

}  // namespace bitsweep::train
