#include "train/epoch_record.h"

namespace bitsweep::train {
namespace {

nlohmann::json to_json(const std::optional<double>& value) {
  return value ? nlohmann::json(*value) : nlohmann::json();
}

std::optional<double> optional_from_json(const nlohmann::json& value) {
  if (value.is_null()) return std::nullopt;
  return value.get<double>();
}

}  // namespace

nlohmann::json to_json(const EpochRecord& r) {
  return {{"epoch", r.epoch},
          {"step", r.step},
          {"state_sha256", r.state_sha256},
          {"lr", r.lr},
          {"train_loss", r.train_loss},
          {"train_top1", r.train_top1},
          {"split", r.split},
          {"top1", to_json(r.top1)},
          {"loss", to_json(r.loss)}};
}

EpochRecord epoch_from_json(const nlohmann::json& object) {
  EpochRecord r;
  r.epoch = object.at("epoch").get<std::int64_t>();
  r.step = object.at("step").get<std::int64_t>();
  r.state_sha256 = object.at("state_sha256").get<std::string>();
  r.lr = object.at("lr").get<double>();
  r.train_loss = object.at("train_loss").get<double>();
  r.train_top1 = object.at("train_top1").get<double>();
  r.split = object.at("split").get<std::string>();
  r.top1 = optional_from_json(object.at("top1"));
  r.loss = optional_from_json(object.at("loss"));
  return r;
}

}  // namespace bitsweep::train
