#include "ptq/float_network.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/hash.h"
#include "export/weights.h"
#include "graph/passes.h"
#include "models/model.h"
#include "models/onnx_network.h"
#include "quant/equalization.h"
#include "quant/scheme.h"

namespace bitsweep::ptq {
namespace {

constexpr std::size_t kKept = 4;

}  // namespace

std::shared_ptr<const FloatNetwork> FloatNetworks::get(const config::TrialConfig& config,
                                                       const data::Dataset& dataset) {
  const bool own_weights = config.model.weights.empty() && !config.model.file.empty();
  const std::string& file = own_weights ? config.model.file : config.model.weights;
  if (file.empty()) {
    throw ConfigError("model.weights is not set: post-training quantization starts from weights");
  }
  const graph::Graph network = models::build_model(config.model, dataset.num_classes());
  graph::Folding folding = quant::apply_passes(network, config.quant);
  const bool folded = folding.graph.nodes().size() != network.nodes().size();
  Key key{sha256_file(file), config.model, dataset.num_classes(), folded,
          config.quant.cross_layer_equalization};
  key.model.weights.clear();
  const auto found = std::ranges::find(kept_, key, &Entry::key);
  if (found != kept_.end()) return found->network;

  const graph::Parameters loaded =
      own_weights ? models::read_onnx(file).weights : exporting::load_weights(file, network);
  graph::Parameters weights = graph::fold_parameters(folding, network, loaded);
  if (config.quant.cross_layer_equalization) quant::equalize(folding.graph, weights);
  auto made = std::make_shared<const FloatNetwork>(
      FloatNetwork{std::move(folding.graph), std::move(weights), key.weights_sha256,
                   graph::count(network).total});
  if (kept_.size() >= kKept) kept_.erase(kept_.begin());
  kept_.push_back({std::move(key), made});
  return made;
}

}  // namespace bitsweep::ptq
