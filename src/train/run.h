// A training under way: everything between its first step and its result.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "config/trial.h"
#include "exec/training.h"
#include "graph/graph.h"
#include "kernels/softmax_loss.h"
#include "ptq/accuracy.h"
#include "quant/sites.h"
#include "train/batches.h"
#include "train/optimizer.h"
#include "train/state.h"
#include "train/trial.h"

namespace bitsweep::train {

class Run {
 public:
  // Everything that is passed must outlive this object. teacher: what config.train.distillation
  // names; nullptr where it names none.
  Run(const config::TrialConfig& config, const graph::Graph& graph, const quant::SitePlan& sites,
      const graph::Parameters* teacher, Batches& batches, at::Device device, const Folders& folders,
      const Listener& listener);

  // Where it begins. alphas: by the name of their node; those of other names are left out, and
  // quantizers without an entry begin at their configured α.
  void start(const graph::Parameters& parameters, const nlohmann::json& alphas);
  // Goes on from the first of folders.resume that fits, and says which.
  std::optional<std::string> resume();
  // Steps until the end, or until the listener stops it (Outcome::stopped), and fills the outcome.
  void run(std::optional<std::int64_t> stop_after_epochs, Outcome& outcome);

 private:
  // The numbers of the running epoch, summed over images.
  struct Running {
    double loss = 0;
    std::int64_t correct = 0;
    std::int64_t images = 0;
  };
  // The epoch with the best accuracy so far; number 0: none is looked for, or none is done.
  struct Best {
    std::int64_t epoch = 0;
    double top1 = 0;
    std::vector<float> parameters, alphas;
  };

  void one_step();
  // d(mean loss)/d(logits), and the sums over the batch.
  std::pair<at::Tensor, kernels::LossSum> loss_of(const at::Tensor& logits, const Batch& batch);
  // Mixes the teacher's answers to the batch into both; `logits` are the student's.
  void distil(const at::Tensor& logits, const Batch& batch, at::Tensor& grad,
              kernels::LossSum& sum);
  void penalize_alphas();
  double alpha_penalty() const;
  void keep_alphas_positive();
  void log_step(double loss, double top1, double penalty) const;
  void reestimate_norms();
  void end_epoch();
  void evaluate_epoch(EpochRecord& record);
  void report_epoch(const EpochRecord& record) const;
  bool selects() const { return config_.train.select != "last"; }
  ptq::Accuracy evaluate(const data::Images& images, std::span<const std::int64_t> positions);
  ptq::Accuracy evaluate_test();
  IntegerEvaluation evaluate_test_in_integers();
  State state();
  void set_state(const State& from);
  void checkpoint();
  void finish(Outcome& outcome);
  void save_weights(Outcome& outcome);
  void report_progress(const char* phase, std::int64_t done, std::int64_t total,
                       const char* unit) const;
  void report(const std::vector<Point>& points) const;
  // step: from 1. `where`: what was computing.
  [[noreturn]] void diverged(std::int64_t step, const std::string& what,
                             const exec::Training& where) const;

  const config::TrialConfig& config_;
  const graph::Graph& graph_;
  Batches& batches_;
  const Folders& folders_;
  const Listener& listener_;
  exec::Training training_;
  exec::Training evaluator_;                 // always float32
  std::unique_ptr<exec::Training> teacher_;  // of the training's precision; null: none
  Optimizer optimizer_;
  std::int64_t total_steps_ = 0;
  nlohmann::json identity_;  // of its checkpoints

  std::int64_t step_ = 0;  // done
  Running running_;
  Best best_;
  double last_lr_ = 0;
  double distillation_loss_ = 0;  // mean of the last step
  std::vector<EpochRecord> epochs_;
  double evaluate_s_ = 0;
  std::int64_t images_trained_ = 0;
};

}  // namespace bitsweep::train
