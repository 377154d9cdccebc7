#include "config/trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "config/presets.h"
#include "config/reader.h"
#include "config/trial_train.h"
#include "core/error.h"
#include "core/text.h"

namespace bitsweep::config {
namespace {

const std::string& required(const Settings& settings, std::string_view key) {
  const auto* text = settings.get(key).as<std::string>();
  if (text) return *text;
  throw ConfigError(fmt::format("{} is not set; every trial needs one", key));
}

ModelConfig read_model(const Reader& in) {
  ModelConfig out;
  out.file = in.text_or_empty("model.file");
  if (out.file.empty()) {
    out.name = required(in.settings(), "model.name");
  } else if (in.settings().get("model.name").is_set()) {
    throw ConfigError(fmt::format("{}: a network has a name (model.name) or a file, not both",
                                  in.said("model.file")));
  }
  out.weights = in.text_or_empty("model.weights");
  // The default is left to the network: one that does not offer the choice refuses any other.
  const KeyIndex shortcut = require_key("model.shortcut", "a trial");
  if (in.settings().get(shortcut) != schema()[shortcut].fallback) {
    out.shortcut = in.word("model.shortcut");
  }
  out.post_add_relu = in.flag("model.post_add_relu");
  out.width = in.real("model.width");
  out.padding = in.text_or_empty("model.padding");
  out.batch_norm = in.flag("model.batch_norm");
  out.num_classes = in.optional_integer("model.num_classes");
  out.image_size = in.optional_integer("data.image_size");
  return out;
}

std::array<double, 3> three_reals(const Value& list) {
  std::array<double, 3> out;
  for (std::size_t i = 0; i < 3; ++i) out[i] = to_real((*list.as<List>())[i]);
  return out;
}

NormalizeConfig read_normalize(const Value& value) {
  NormalizeConfig out;
  if (const auto* name = value.as<std::string>()) {
    out.name = *name;
    return out;
  }
  out.name = "custom";
  for (const auto& [key, list] : *value.as<Table>()) {
    (key == "mean" ? out.mean : out.std) = three_reals(list);
  }
  return out;
}

DataConfig read_data(const Reader& in) {
  DataConfig out;
  out.name = required(in.settings(), "data.name");
  out.root = in.text_or_empty("data.root");
  out.train_images = in.optional_integer("data.train_images");
  out.test_images = in.optional_integer("data.test_images");
  out.validation_images = in.optional_integer("data.validation_images");
  out.subset = in.word("data.subset");
  out.image_size = in.optional_integer("data.image_size");
  out.normalize = read_normalize(in.settings().get("data.normalize"));
  return out;
}

// Where a whole class is not allocated (or clipped, below), the settings of it are no part of
// identity, and so must not reach a layer whose rule allocates it: that one begins at the defaults.
void read_allocation(const Reader& in, const std::string& table, TensorQuantConfig& out) {
  out.bit_allocation = in.word(table + ".bit_allocation");
  if (out.quantizer == "mid_tread") out.average_bits = in.optional_real(table + ".average_bits");
  if (out.bit_allocation == "none") return;
  out.allocation_prior = in.word(table + ".allocation_prior");
  out.average_bits = in.optional_real(table + ".average_bits");
  out.allocation_max_bits = static_cast<int>(in.integer(table + ".allocation_max_bits"));
  out.zero_bits = in.choice<ZeroBits>(
      table + ".zero_bits", {{"mean", ZeroBits::mean}, {"lower_end", ZeroBits::lower_end}});
}

void read_clipping(const Reader& in, TensorQuantConfig& out) {
  out.clipping = in.word("quant.activation.clipping");
  if (out.clipping == "percentile") out.percentile = in.real("quant.activation.percentile");
  if (out.clipping != "laplace" && out.clipping != "gauss" && out.clipping != "mix") return;
  out.clipping_constants = in.choice<ClippingConstants>(
      "quant.activation.clipping_constants",
      {{"exact", ClippingConstants::exact}, {"two_decimals", ClippingConstants::two_decimals}});
}

// What weights and activations have in common; `table` is "quant.weight" or "quant.activation".
TensorQuantConfig read_tensor(const Reader& in, const std::string& table) {
  TensorQuantConfig out;
  const std::string bits = table + ".bits";
  if (const auto* list = in.settings().get(bits).as<List>()) {
    for (const Value& item : *list) {
      const auto* width = item.as<std::int64_t>();
      out.bits_per_layer.push_back(width ? static_cast<int>(*width) : kUnquantizedBits);
    }
  } else {
    out.bits = in.width<int>(bits, kUnquantizedBits);
  }
  out.quantizer = in.word(table + ".quantizer");
  out.granularity = in.choice<Granularity>(
      table + ".granularity", {{"tensor", Granularity::tensor}, {"channel", Granularity::channel}});
  out.rounding = in.word(table + ".rounding");
  out.ties = in.choice<std::optional<Ties>>(
      table + ".ties", {{"even", Ties::even}, {"away", Ties::away}, {"by_path", std::nullopt}});
  out.power_of_two_scale = in.flag(table + ".power_of_two_scale");
  read_allocation(in, table, out);
  out.bias_correction = in.word(table + ".bias_correction");
  return out;
}

SitesConfig read_sites(const Reader& in) {
  constexpr std::optional<int> kSame;
  SitesConfig out;
  out.fused_relu = in.flag("quant.sites.fused_relu");
  out.first_weight_bits = in.width("quant.sites.first_weight_bits", kSame);
  out.first_layers = in.integer("quant.sites.first_layers");
  out.last_weight_bits = in.width("quant.sites.last_weight_bits", kSame);
  out.first_activation_bits = in.width("quant.sites.first_activation_bits", kSame);
  out.logits_bits = in.width("quant.sites.logits_bits", kUnquantizedBits);
  out.max_pool_bits = in.width("quant.sites.max_pool_bits", kUnquantizedBits);
  return out;
}

DorefaPactConfig read_dorefa_pact(const Reader& in) {
  DorefaPactConfig out;
  out.clamp_factor = in.real("quant.activation.clamp_factor");
  out.clip = in.real("quant.activation.clip");
  out.alpha_init = in.optional_real("quant.activation.alpha_init");
  const bool learns_steps = in.word("quant.activation.quantizer") == "lsq";
  out.alpha_penalty = learns_steps ? 0.0 : in.real("quant.activation.alpha_penalty");
  out.alpha_weight_decay = in.optional_real("quant.activation.alpha_weight_decay");
  out.alpha_positive = learns_steps || in.flag("quant.activation.alpha_positive");
  out.input = in.flag("quant.sites.input");
  out.inside = in.flag("quant.sites.inside");
  out.after_add = in.flag("quant.sites.after_add");
  out.branch_output = in.flag("quant.sites.branch_output");
  out.pool_output = in.flag("quant.sites.pool_output");
  out.batch_norm_output = in.flag("quant.sites.batch_norm_output");
  out.input_quantizer = in.word("quant.sites.input_quantizer");
  out.gradient_bits = in.width("quant.gradient.bits", kUnquantizedBits);
  out.batch_norm_bits = in.optional_integer("quant.batch_norm.bits");
  out.batch_norm_integer_bits = in.integer("quant.batch_norm.integer_bits");
  if (out.batch_norm_bits && out.batch_norm_integer_bits > *out.batch_norm_bits) {
    throw ConfigError(fmt::format(
        "{}: {} is more than {}", in.settings().place_of("quant.batch_norm.integer_bits"),
        in.said("quant.batch_norm.integer_bits"), in.said("quant.batch_norm.bits")));
  }
  return out;
}

IntegerConfig read_integer(const Reader& in) {
  IntegerConfig out;
  out.execute = in.flag("quant.integer.execute");
  const auto format = [&](const std::string& bits, const std::string& integer_bits) {
    const std::pair out_of{in.integer(bits), in.integer(integer_bits)};
    if (out.execute && out_of.second > out_of.first) {
      throw ConfigError(fmt::format("{} are more than {}", in.said(integer_bits), in.said(bits)));
    }
    return std::pair{static_cast<int>(out_of.first), static_cast<int>(out_of.second)};
  };
  std::tie(out.bits, out.integer_bits) = format("quant.integer.bits", "quant.integer.integer_bits");
  std::tie(out.ends_bits, out.ends_integer_bits) =
      format("quant.integer.ends_bits", "quant.integer.ends_integer_bits");
  out.rounding = in.word("quant.integer.rounding");
  out.variant = in.word("quant.integer.variant");
  return out;
}

CalibrationConfig read_calibration(const Reader& in) {
  CalibrationConfig out;
  out.statistics = in.choice<Statistics>(
      "quant.calibration.statistics",
      {{"calibrated", Statistics::calibrated}, {"dynamic", Statistics::dynamic}});
  out.source = in.word("quant.calibration.source");
  out.order = in.word("quant.calibration.order");
  out.images = in.integer("quant.calibration.images");
  out.batch_size = in.integer("quant.calibration.batch_size");
  out.over_batches = in.word("quant.calibration.over_batches");
  return out;
}

QuantConfig read_quant(const Reader& in) {
  QuantConfig out;
  out.scheme = in.word("quant.scheme");
  out.preset = in.text_or_empty("quant.preset");
  out.weight = read_tensor(in, "quant.weight");
  out.activation = read_tensor(in, "quant.activation");
  out.activation.range = in.word("quant.activation.range");
  read_clipping(in, out.activation);
  out.sites = read_sites(in);
  if (out.scheme == "dorefa_pact") {
    out.dorefa_pact = read_dorefa_pact(in);
    out.integer = read_integer(in);
  }
  out.calibration = read_calibration(in);
  out.fold_batch_norm = in.flag("quant.fold_batch_norm");
  out.cross_layer_equalization = in.flag("quant.cross_layer_equalization");
  out.batch_norm_reestimation = in.flag("quant.batch_norm_reestimation");
  out.adaptive_rounding = in.flag("quant.weight.adaptive_rounding");
  out.adaptive_rounding_steps = in.integer("quant.weight.adaptive_rounding_steps");
  out.layers = in.settings().layers;
  return out;
}

EvalConfig read_eval(const Reader& in, const TrialConfig& trial) {
  EvalConfig out{in.integer("eval.batch_size"), in.flag("eval.shuffle"),
                 in.choice<EvalSplit>("eval.split", {{"test", EvalSplit::test},
                                                     {"validation", EvalSplit::validation}})};
  if (trial.kind != TrialKind::ptq) out.split = EvalSplit::test;
  if (out.split == EvalSplit::validation && !trial.data.validation_images) {
    throw ConfigError(
        fmt::format("{}: eval.split = \"validation\" needs data.validation_images, the number of "
                    "training images to evaluate on",
                    in.settings().place_of("eval.split")));
  }
  return out;
}

void check_calibration_images(const Reader& in, const TrialConfig& trial) {
  if (!calibrates(trial)) return;
  const CalibrationConfig& calibration = trial.quant.calibration;
  const auto limit =
      calibration.source == "train" ? trial.data.train_images : trial.data.test_images;
  if (!limit || calibration.images <= *limit) return;
  throw ConfigError(
      fmt::format("{}: quant.calibration.images = {} is more than {} leaves; expected at most {}",
                  in.settings().place_of("quant.calibration.images"), calibration.images,
                  in.said(fmt::format("data.{}_images", calibration.source)), *limit));
}

// A preset that this network or scheme has no part in would be a silent fall-back to defaults.
void check_preset(const Settings& settings, const std::string& model) {
  const auto* name = settings.get("quant.preset").as<std::string>();
  const std::string& scheme = *settings.get("quant.scheme").as<std::string>();
  if (name == nullptr || scheme == "none") return;
  const Preset& preset = preset_named(*name);
  const std::string said =
      fmt::format("{}: quant.preset = \"{}\"", settings.place_of("quant.preset"), *name);
  if (preset.scheme != scheme) {
    throw ConfigError(
        fmt::format("{} is of scheme '{}', not of '{}'", said, preset.scheme, scheme));
  }
  if (!preset.models.empty() && std::ranges::find(preset.models, model) == preset.models.end()) {
    throw ConfigError(fmt::format("{} has no lists for network '{}'; it is for {}", said, model,
                                  join(preset.models, ", ")));
  }
}

}  // namespace

std::string Reader::said(std::string_view key) const {
  return fmt::format("{} = {} ({})", key, format_value(settings_.get(key)),
                     settings_.place_of(key));
}

bool calibrates(const TrialConfig& trial) {
  return trial.kind == TrialKind::ptq && trial.quant.scheme != "none" &&
         trial.quant.calibration.statistics == Statistics::calibrated;
}

TrialConfig to_trial(const Settings& settings) {
  check_available(settings);
  const Reader in(settings);
  TrialConfig out;
  out.kind = in.choice<TrialKind>(
      "kind",
      {{"ptq", TrialKind::ptq}, {"train", TrialKind::train}, {"analysis", TrialKind::analysis}});
  out.seed = static_cast<std::uint64_t>(in.integer("seed"));
  out.model = read_model(in);
  check_preset(in.settings(), out.model.name);
  out.data = read_data(in);
  out.quant = read_quant(in);
  out.eval = read_eval(in, out);
  if (out.kind == TrialKind::train) {
    if (!out.model.file.empty()) {
      throw ConfigError(
          fmt::format("{}: a network from a file is quantized (kind = \"ptq\"), not trained",
                      in.said("model.file")));
    }
    out.train = read_train(in, out.data);
  }
  check_calibration_images(in, out);
  return out;
}

}  // namespace bitsweep::config
