#include "sweep/networks.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/text.h"
#include "graph/count.h"
#include "models/model.h"
#include "quant/scheme.h"
#include "sweep/fingerprint.h"

namespace bitsweep::sweep {
namespace {

// Rooms that see only typed values begin their messages with the key at fault.
[[noreturn]] void rethrow_with_place(const config::Settings& settings, const ConfigError& error) {
  const std::string_view message = error.what();
  const std::string_view word = message.substr(0, message.find(' '));
  if (config::find_key(word)) rethrow_at(settings.place_of(word), message);
  throw error;
}

Network build(const config::Settings& settings, const config::TrialConfig& trial,
              const data::Dataset& dataset) {
  const graph::Shape input = models::input_shape(trial.model);
  const data::ImageShape image = data::shape_of(dataset, trial.data.image_size, input.height);
  if (image.channels != input.channels || image.height != input.height ||
      image.width != input.width) {
    throw ConfigError(fmt::format(
        "{}: network '{}' reads images of {}×{}×{}, data set '{}' has {}×{}×{}",
        settings.place_of("data.name"), trial.model.name + trial.model.file, input.channels,
        input.height, input.width, dataset.name, image.channels, image.height, image.width));
  }
  Network out{models::build_model(trial.model, dataset.num_classes()), 0, {}, {}};
  out.macs = graph::count(out.graph).total.macs;
  return out;
}

// Keys that decide where quantizers stand and how wide they are. How many images calibrate does
// not.
const std::vector<config::KeyIndex>& site_keys() {
  static const std::vector<config::KeyIndex> keys = keys_where([](std::string_view name) {
    return name.starts_with("quant.") &&
           (!name.starts_with("quant.calibration.") || name == "quant.calibration.statistics");
  });
  return keys;
}

void check_quantization(Network& network, const config::Settings& settings,
                        const config::QuantConfig& quant) {
  if (!network.checked.insert(fingerprint(settings, site_keys())).second) return;
  const std::string passes = quant.scheme + (quant.fold_batch_norm ? "" : " unfolded");
  auto it = network.passed.find(passes);
  if (it == network.passed.end()) {
    it = network.passed.emplace(passes, quant::apply_passes(network.graph, quant)).first;
  }
  static_cast<void>(quant::schemes().get(quant.scheme).plan(it->second.graph, quant));
}

}  // namespace

void rethrow_at(const config::Place& place, std::string_view message) {
  throw ConfigError(fmt::format("{}: {}", place, message));
}

const Network& Networks::check(const config::Settings& settings, const config::TrialConfig& trial,
                               const data::Dataset& dataset) {
  const config::ModelConfig& model = trial.model;
  const std::string key = fmt::format(
      "{} {} {} {} {} {} {} {} {} {}", model.name, model.file, model.shortcut, model.post_add_relu,
      model.width, model.padding, model.batch_norm, model.num_classes.value_or(0), dataset.name,
      trial.data.image_size.value_or(0));
  try {
    quant::check_kind(trial.kind, trial.quant);
    auto it = networks_.find(key);
    if (it == networks_.end()) it = networks_.emplace(key, build(settings, trial, dataset)).first;
    check_quantization(it->second, settings, trial.quant);
    return it->second;
  } catch (const ConfigError& error) {
    rethrow_with_place(settings, error);
  }
}

}  // namespace bitsweep::sweep
