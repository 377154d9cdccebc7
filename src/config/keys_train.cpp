// Rows of the table of keys: `train`, which has an effect where kind = "train".
#include <fmt/format.h>

#include "config/keys.h"

namespace bitsweep::config {
namespace {

constexpr double kAny = std::numeric_limits<double>::infinity();

// A condition that asks for training, and for more.
std::string trains_and(std::string_view more) { return fmt::format("{} and {}", kTrains, more); }

Key real_key(const char* name, double fallback, double max, std::string used_when,
             const char* doc) {
  return {.name = fmt::format("train.{}", name),
          .type = Type::real,
          .fallback = std::move(fallback),
          .doc = doc,
          .min = 0,
          .max = max,
          .used_when = std::move(used_when)};
}

Key flag_key(const char* name, bool fallback, std::string used_when, const char* doc) {
  return {.name = fmt::format("train.{}", name),
          .type = Type::boolean,
          .fallback = fallback,
          .doc = doc,
          .used_when = std::move(used_when)};
}

Key word_key(const char* name, std::vector<std::string> words, const char* fallback,
             const char* doc) {
  return {.name = fmt::format("train.{}", name),
          .type = Type::word,
          .fallback = fallback,
          .doc = doc,
          .words = std::move(words),
          .used_when = kTrains};
}

// A number that may be 0, which the text says the meaning of.
Key from_zero_key(const char* name, int fallback, const char* doc) {
  Key key = count_key(fmt::format("train.{}", name), fallback, kTrains, doc);
  key.min = 0;
  return key;
}

void add_length(std::vector<Key>& keys) {
  keys.push_back(from_zero_key("epochs", 30, "passes over the training images; 0 evaluates alone"));
  keys.push_back(
      count_key("train.max_steps", {}, kTrains, "stop after so many steps in all; unset: never"));
  keys.push_back(count_key("train.batch_size", 128, kTrains,
                           "images a step; the last of an epoch may hold fewer"));
}

void add_optimizer(std::vector<Key>& keys) {
  const std::string sgd = trains_and("train.optimizer == \"sgd\"");
  const std::string adam = trains_and("train.optimizer == \"adam\"");
  keys.push_back(word_key("optimizer", {"sgd", "adam"}, "sgd", "optimizer"));
  keys.push_back(real_key("lr", 0.1, kAny, kTrains, "learning rate at the start"));
  keys.push_back(real_key("momentum", 0.9, 1, sgd, "momentum"));
  keys.push_back(flag_key("nesterov", false, sgd, "Nesterov momentum"));
  keys.push_back(
      real_key("beta1", 0.9, 1, adam, "decay of Adam's mean of gradients; document 002 names 0.5"));
  keys.push_back(real_key("beta2", 0.999, 1, adam, "decay of Adam's mean of squared gradients"));
  keys.push_back(real_key("epsilon", 1e-8, kAny, adam, "added to Adam's denominator"));
  keys.push_back(real_key("weight_decay", 5e-4, kAny, kTrains,
                          "weight decay, added to the gradient as in L2 regularisation"));
  keys.push_back(flag_key("decay_norm_and_bias", true, kTrains,
                          "batch norms and biases decay as well; false: the weights of layers "
                          "alone"));
}

void add_schedule(std::vector<Key>& keys) {
  const std::string milestones = trains_and("train.schedule in [\"multistep\", \"piecewise\"]");
  keys.push_back(word_key("schedule",
                          {"constant", "cosine", "multistep", "piecewise", "exponential"}, "cosine",
                          "learning-rate schedule"));
  keys.push_back(
      word_key("schedule_unit", {"epoch", "step"}, "epoch", "how often the rate changes"));
  keys.push_back(real_key("lr_floor", 0, kAny, trains_and("train.schedule == \"cosine\""),
                          "the rate that a cosine ends at"));
  keys.push_back({.name = "train.milestones",
                  .type = Type::integer,
                  .doc = "epochs at which the rate is multiplied by gamma, or takes the next of "
                         "`train.rates`; ascending",
                  .min = 0,
                  .max = kMaxCount,
                  .list = true,
                  .used_when = milestones});
  keys.push_back({.name = "train.rates",
                  .type = Type::real,
                  .doc = "learning rate from each milestone on; one for each",
                  .min = 0,
                  .list = true,
                  .used_when = trains_and("train.schedule == \"piecewise\"")});
  keys.push_back(real_key("gamma", 0.1, 1,
                          trains_and("train.schedule in [\"multistep\", \"exponential\"]"),
                          "factor at a milestone; with `exponential`, of every epoch"));
  keys.push_back(
      real_key("warmup_epochs", 0, kAny, kTrains, "epochs of linear warm-up, step by step"));
}

void add_step(std::vector<Key>& keys) {
  keys.push_back(real_key("label_smoothing", 0, 1, kTrains,
                          "share of the target that is spread over all classes"));
  keys.push_back(word_key("precision", {"fp32", "bf16"}, "fp32",
                          "arithmetic of convolutions and linear layers in a step"));
}

void add_distillation(std::vector<Key>& keys) {
  const std::string distils = trains_and("train.distillation.weights != null");
  keys.push_back({.name = "train.distillation.weights",
                  .type = Type::path,
                  .doc = "weights of the same network in full precision, whose answers training "
                         "aims at (as `model.weights`); unset: the labels alone",
                  .role = Role::content,
                  .used_when = kTrains});
  keys.push_back({.name = "train.distillation.temperature",
                  .type = Type::real,
                  .fallback = 4.0,
                  .doc = "what both networks' logits are divided by",
                  .min = 1e-3,
                  .used_when = distils});
  keys.push_back(
      {.name = "train.distillation.weight",
       .type = Type::real,
       .fallback = 1.0,
       .doc = "share of temperature² · KL(teacher ‖ student) in the loss; 1 uses no label",
       .min = 0,
       .max = 1,
       .used_when = distils});
}

void add_reporting(std::vector<Key>& keys) {
  keys.push_back(from_zero_key("norm_batches", 0,
                               "batches of unaugmented training images, in file order, that the "
                               "running statistics of batch norms are measured anew on before the "
                               "last evaluation; 0: none"));
  keys.push_back(word_key("select", {"last", "best_validation", "best_test"}, "last",
                          "the epoch whose network is the result; `best_test`, as the documents "
                          "did it, is no honest estimate"));
  keys.push_back(from_zero_key("eval_every", 1, "epochs between evaluations; 0: at the end alone"));
  keys.push_back(count_key("train.log_every", 10, kTrains,
                           "steps between points of the series that go by step"));
}

}  // namespace

void add_train_keys(std::vector<Key>& keys) {
  add_length(keys);
  add_optimizer(keys);
  add_schedule(keys);
  add_step(keys);
  add_distillation(keys);
  add_reporting(keys);
}

}  // namespace bitsweep::config
