#include "sweep/networks.h"

#include <fmt/format.h>

#include "core/error.h"
#include "core/text.h"
#include "graph/count.h"
#include "models/model.h"
#include "quant/scheme.h"

namespace bitsweep::sweep {
namespace {

// The values of all keys of one table, as text.
std::string table_text(const config::Settings& settings, std::string_view prefix) {
  std::string out;
  for (config::KeyIndex key = 0; key < config::schema().size(); ++key) {
    if (!config::schema()[key].name.starts_with(prefix)) continue;
    config::append_json(out, settings.get(key));
    out += ' ';
  }
  return out;
}

// Layer rules are the same objects throughout a sweep, so their text is short work.
std::string rules_text(const std::vector<config::LayerRule>& rules) {
  std::string out;
  for (const config::LayerRule& rule : rules) {
    out += rule.place;
    for (const auto& [key, value] : rule.overrides) {
      out += key;
      config::append_json(out, value);
    }
  }
  return out;
}

// Rooms that see only typed values begin their messages with the key at fault.
[[noreturn]] void rethrow_with_place(const config::Settings& settings, const ConfigError& error) {
  const std::string_view message = error.what();
  const std::string_view word = message.substr(0, message.find(' '));
  if (config::find_key(word)) rethrow_at(settings.place_of(word), message);
  throw error;
}

Network build(const config::Settings& settings, const config::TrialConfig& trial,
              const data::Dataset& dataset) {
  const models::Model& model = models::models().get(trial.model.name);
  const data::ImageShape& image = dataset.shape;
  if (image.channels != model.input.channels || image.height != model.input.height ||
      image.width != model.input.width) {
    throw ConfigError(fmt::format(
        "{}: network '{}' reads images of {}×{}×{}, data set '{}' has {}×{}×{}",
        settings.place_of("data.name"), model.name, model.input.channels, model.input.height,
        model.input.width, dataset.name, image.channels, image.height, image.width));
  }
  Network out{models::build_model(trial.model, dataset.num_classes()), 0, {}};
  out.macs = graph::count(out.graph).total.macs;
  return out;
}

}  // namespace

void rethrow_at(const config::Place& place, std::string_view message) {
  throw ConfigError(fmt::format("{}: {}", place, message));
}

const Network& Networks::check(const config::Settings& settings, const config::TrialConfig& trial,
                               const data::Dataset& dataset) {
  // The weights decide nothing here, but standing in the text they cost nothing either.
  const std::string key = table_text(settings, "model.") + dataset.name;
  try {
    auto it = networks_.find(key);
    if (it == networks_.end()) it = networks_.emplace(key, build(settings, trial, dataset)).first;
    Network& network = it->second;
    const bool is_new =
        network.checked.insert(table_text(settings, "quant.") + rules_text(settings.layers)).second;
    if (is_new) static_cast<void>(quant::plan_network(network.graph, trial.quant));
    return network;
  } catch (const ConfigError& error) {
    rethrow_with_place(settings, error);
  }
}

}  // namespace bitsweep::sweep
