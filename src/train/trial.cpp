#include "train/trial.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/hash.h"
#include "core/log.h"
#include "exec/device.h"
#include "export/alphas.h"
#include "export/torch_file.h"
#include "export/weights.h"
#include "models/model.h"
#include "quant/scheme.h"
#include "train/batches.h"
#include "train/initialize.h"
#include "train/run.h"

namespace bitsweep::train {
namespace {

using config::TrialConfig;

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

// The α that a weight file holds, if this training can begin with them: steps are no clips.
nlohmann::json alphas_of(const exporting::SafetensorsFile& file, bool wants_steps) {
  nlohmann::json alphas = exporting::alphas_of(file);
  if (alphas.empty() || exporting::holds_steps(file) == wants_steps) return alphas;
  spdlog::warn("{}: its learned values are {}, which this training cannot begin with",
               file.path().string(), wants_steps ? "clips" : "steps");
  return nlohmann::json::object();
}

// The network that config.train.distillation names; notes which file it is.
std::optional<graph::Parameters> teacher_of(const TrialConfig& config, const graph::Graph& graph,
                                            Outcome& outcome) {
  const config::DistillationConfig& distillation = config.train.distillation;
  if (!distillation.is_on()) return std::nullopt;
  outcome.teacher_sha256 = sha256_file(distillation.weights);
  return exporting::load_weights(exporting::read_weight_file(distillation.weights), graph);
}

void check_precision(const TrialConfig& config, c10::Device device) {
  if (config.train.precision == config::Precision::bf16 && device.is_cpu() && !exec::has_bf16()) {
    throw ConfigError(
        "train.precision = \"bf16\": this processor does not compute in bfloat16 (no AVX512-BF16)");
  }
}

}  // namespace

Outcome Session::run(const TrialConfig& config, const Folders& folders, const Listener& listener,
                     std::optional<std::int64_t> stop_after_epochs) {
  check_precision(config, device_);
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  const Network network = network_of(config, dataset);
  Outcome outcome;
  graph::Parameters parameters(network.graph);
  nlohmann::json alphas = nlohmann::json::object();
  if (config.model.weights.empty()) {
    initialize(network.graph, models::initialization(config.model), config.seed, parameters);
  } else {
    const auto file = exporting::read_weight_file(config.model.weights);
    parameters = exporting::load_weights(file, network.graph);
    alphas = alphas_of(file, config.quant.activation.quantizer == "lsq");
    outcome.weights_sha256 = sha256_file(config.model.weights);
  }
  const auto images_of = [&](data::Split split) {
    return images_.get(dataset, data::selection_of(config.data, split), config.data.root);
  };
  Batches batches(config, dataset, images_of(data::Split::train), images_of(data::Split::test),
                  device_);
  const auto teacher = teacher_of(config, network.graph, outcome);
  Run run(config, network.graph, network.sites, teacher ? &*teacher : nullptr, batches, device_,
          folders, listener);
  run.start(parameters, alphas);
  outcome.resumed_from = run.resume();
  run.run(stop_after_epochs, outcome);
  if (outcome.stopped) return outcome;
  outcome.counts = graph::count(network.graph, quant::bit_table(network.graph, network.sites));
  outcome.graph = std::make_shared<const graph::Graph>(network.graph);
  return outcome;
}

}  // namespace bitsweep::train
