// read_train of config/trial_train.h: `train.*` as a struct, and what in it contradicts itself.
#include "config/trial_train.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/reader.h"
#include "core/error.h"

namespace bitsweep::config {
namespace {

// Throws `sentence`, which says what was expected, behind the place of `key`.
[[noreturn]] void refuse(const Reader& in, std::string_view key, std::string_view sentence) {
  throw ConfigError(fmt::format("{}: {}", in.settings().place_of(key), sentence));
}

void check_schedule(const Reader& in, const TrainConfig& train) {
  const bool steps = train.schedule == "multistep" || train.schedule == "piecewise";
  if (steps && train.milestones.empty()) {
    refuse(in, "train.schedule",
           fmt::format("train.schedule = \"{}\" needs train.milestones, which is not set",
                       train.schedule));
  }
  if (steps && std::ranges::adjacent_find(train.milestones, std::ranges::greater_equal{}) !=
                   train.milestones.end()) {
    refuse(in, "train.milestones",
           fmt::format("train.milestones = {} is not ascending",
                       format_value(in.settings().get("train.milestones"))));
  }
  if (train.schedule == "piecewise" && train.rates.size() != train.milestones.size()) {
    refuse(in, train.rates.empty() ? "train.schedule" : "train.rates",
           fmt::format("train.rates has {} entries for {} milestones ({}); expected one for each",
                       train.rates.size(), train.milestones.size(),
                       in.settings().place_of("train.milestones")));
  }
  if (train.schedule == "cosine" && train.lr_floor > train.lr) {
    refuse(in, "train.lr_floor",
           fmt::format("{} is above {}", in.said("train.lr_floor"), in.said("train.lr")));
  }
  if (train.warmup_epochs > static_cast<double>(train.epochs)) {
    refuse(in, "train.warmup_epochs",
           fmt::format("{} is longer than the training, {}", in.said("train.warmup_epochs"),
                       in.said("train.epochs")));
  }
}

void check_selection(const Reader& in, const TrainConfig& train, const DataConfig& data) {
  if (train.select == "best_validation" && !data.validation_images) {
    refuse(in, "train.select",
           "train.select = \"best_validation\" needs data.validation_images, which is not set");
  }
  if (train.select != "last" && train.eval_every == 0) {
    refuse(in, "train.select",
           fmt::format("{} has one evaluation to choose from with {}", in.said("train.select"),
                       in.said("train.eval_every")));
  }
  if (data.validation_images && data.train_images &&
      *data.validation_images >= *data.train_images) {
    refuse(in, "data.validation_images",
           fmt::format("{} leaves none of {} to train with", in.said("data.validation_images"),
                       in.said("data.train_images")));
  }
}

}  // namespace

TrainConfig read_train(const Reader& in, const DataConfig& data) {
  TrainConfig out;
  out.epochs = in.integer("train.epochs");
  out.max_steps = in.optional_integer("train.max_steps");
  out.batch_size = in.integer("train.batch_size");
  out.optimizer = in.word("train.optimizer");
  out.lr = in.real("train.lr");
  out.momentum = in.real("train.momentum");
  out.nesterov = in.flag("train.nesterov");
  out.beta1 = in.real("train.beta1");
  out.beta2 = in.real("train.beta2");
  out.epsilon = in.real("train.epsilon");
  out.weight_decay = in.real("train.weight_decay");
  out.decay_norm_and_bias = in.flag("train.decay_norm_and_bias");
  out.schedule = in.word("train.schedule");
  out.schedule_unit = in.word("train.schedule_unit");
  out.lr_floor = in.real("train.lr_floor");
  out.milestones = in.list<std::int64_t>("train.milestones");
  out.rates = in.list<double>("train.rates");
  out.gamma = in.real("train.gamma");
  out.warmup_epochs = in.real("train.warmup_epochs");
  out.label_smoothing = in.real("train.label_smoothing");
  out.precision = in.choice<Precision>("train.precision",
                                       {{"fp32", Precision::fp32}, {"bf16", Precision::bf16}});
  out.select = in.word("train.select");
  out.augment = in.flag("data.augment");
  out.eval_every = in.integer("train.eval_every");
  out.log_every = in.integer("train.log_every");
  out.distillation = {in.text_or_empty("train.distillation.weights"),
                      in.real("train.distillation.temperature"),
                      in.real("train.distillation.weight")};
  out.norm_batches = in.integer("train.norm_batches");
  if (out.optimizer == "sgd" && out.nesterov && out.momentum == 0) {
    refuse(in, "train.nesterov",
           fmt::format("{} needs a momentum, and {}", in.said("train.nesterov"),
                       in.said("train.momentum")));
  }
  check_schedule(in, out);
  check_selection(in, out, data);
  return out;
}

}  // namespace bitsweep::config
