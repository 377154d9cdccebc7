#include "worker/integer_questions.h"

#include <c10/core/InferenceMode.h>

#include <nlohmann/json.hpp>

#include "data/dataset.h"
#include "data/image_cache.h"
#include "data/order.h"
#include "exec/training.h"
#include "export/alphas.h"
#include "export/weights.h"
#include "integer/file.h"
#include "integer/structure.h"
#include "models/model.h"
#include "quant/scheme.h"
#include "train/batches.h"
#include "train/integer_evaluation.h"

namespace bitsweep::worker {
namespace {

using config::TrialConfig;
using nlohmann::json;

// The network as it trained, fake-quantized, with the weights and α that it left.
class Simulation {
 public:
  Simulation(const TrialConfig& config, const std::string& weights, c10::Device device)
      : plan_(quant::plan_network(
            models::build_model(config.model, data::datasets().get(config.data.name).num_classes()),
            config.quant)),
        training_(plan_.folding.graph, plan_.sites, config::Precision::fp32, device) {
    const auto file = exporting::SafetensorsFile::read(weights);
    training_.load(exporting::load_weights(file, plan_.folding.graph));
    const c10::InferenceMode inference;
    const json alphas = exporting::alphas_of(file);
    const std::vector<std::string>& names = training_.alpha_names();
    for (std::size_t i = 0; i < names.size(); ++i) {
      const auto alpha = alphas.find(names[i]);
      if (alpha != alphas.end()) {
        training_.alphas().select(0, static_cast<std::int64_t>(i)).fill_(alpha->get<double>());
      }
    }
  }

  exec::Training& training() { return training_; }
  integer::Network integers(const TrialConfig& config) const {
    return train::integer_network(plan_.folding.graph, training_, train::integer_settings(config));
  }

 private:
  quant::PlannedNetwork plan_;
  exec::Training training_;
};

bool same(const integer::Network& a, const integer::Network& b) {
  if (integer::structure_of(a) != integer::structure_of(b)) return false;
  const auto ours = integer::arrays_of(a), theirs = integer::arrays_of(b);
  return std::ranges::equal(ours, theirs, [](const auto& x, const auto& y) {
    return x.name == y.name && std::ranges::equal(x.values, y.values) &&
           std::ranges::equal(x.reals, y.reals);
  });
}

json row_of(const integer::TensorDifference& tensor) {
  return {{"name", tensor.name},
          {"largest_lsb", tensor.largest},
          {"differing", tensor.differing},
          {"elements", tensor.elements}};
}

}  // namespace

json export_integers(const json& question, const TrialConfig& config, c10::Device device) {
  const auto weights = question.at("trained_weights").get<std::string>();
  const Simulation simulation(config, weights, device);
  const integer::Network network = simulation.integers(config);
  const json alphas = exporting::alphas_of(exporting::SafetensorsFile::read(weights));
  integer::save(question.at("file").get<std::string>(), network,
                {{"key", question.at("key")},
                 {"name", question.at("name")},
                 {"settings", question.at("settings")},
                 {"alpha", alphas}});
  return {{"steps", network.steps.size()}};
}

json compare_integers(const json& question, const TrialConfig& config, c10::Device device,
                      const Send& send) {
  const integer::Network network =
      integer::load(exporting::SafetensorsFile::read(question.at("file").get<std::string>()));
  Simulation simulation(config, question.at("trained_weights").get<std::string>(), device);
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  data::ImageCache cache;
  const auto images = [&](data::Split split) {
    return cache.get(dataset, data::selection_of(config.data, split), config.data.root);
  };
  const auto test = images(data::Split::test);
  const train::Batches batches(config, dataset, images(data::Split::train), test, device);
  const auto result = train::evaluate_integers(network, simulation.training(), batches, *test,
                                               data::file_order(test->count()),
                                               config.eval.batch_size, [&](std::int64_t done) {
                                                 send({{"event", "progress"},
                                                       {"phase", "evaluate"},
                                                       {"done", done},
                                                       {"total", test->count()}});
                                               });
  json rows = json::array();
  for (const integer::TensorDifference& tensor : result.tensors) rows.push_back(row_of(tensor));
  const integer::PredictionComparison& predictions = result.predictions;
  return {{"same_network", same(network, simulation.integers(config))},
          {"images", predictions.images()},
          {"integer_correct", predictions.integer_correct()},
          {"float_correct", predictions.float_correct()},
          {"flips", predictions.flips()},
          {"only_integer", predictions.only_integer()},
          {"only_float", predictions.only_float()},
          {"mcnemar_p", result.mcnemar_p},
          {"seconds", result.seconds},
          {"slow_steps", result.slow_steps},
          {"rows", std::move(rows)}};
}

}  // namespace bitsweep::worker
