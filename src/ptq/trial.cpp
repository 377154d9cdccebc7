#include "ptq/trial.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/hash.h"
#include "core/stopwatch.h"
#include "data/order.h"
#include "exec/inference.h"
#include "export/weights.h"
#include "models/model.h"
#include "quant/scheme.h"

namespace bitsweep::ptq {
namespace {

using config::TrialConfig;
using graph::NodeId;
using quant::Place;
using quant::QuantizerSite;

constexpr std::size_t kKeptStatistics = 16;

graph::Parameters quantize_weights(const graph::Graph& graph, const graph::Parameters& weights,
                                   const quant::SitePlan& plan,
                                   std::vector<Quantizer>& quantizers) {
  graph::Parameters out = weights;
  for (std::size_t i = 0; i < plan.sites.size(); ++i) {
    const QuantizerSite& site = plan.sites[i];
    if (site.place != Place::weight) continue;
    const std::string name = graph.node(site.node).name + ".weight";
    const std::span<float> values = out.values(name);
    const std::int64_t channels = graph.node(site.node).output.channels;
    quantizers[i] = weight_quantizer(site, values, channels, name);
    quantize_weight(quantizers[i], site, values, channels);
  }
  return out;
}

// ReLUs whose input was quantized from 0 upwards already. (A ReLU6 still has its upper end to do.)
std::vector<bool> performed_relus(const graph::Graph& graph, const quant::SitePlan& plan) {
  std::vector<bool> out(graph.nodes().size(), false);
  for (const QuantizerSite& site : plan.sites) {
    if (site.place != Place::output || !site.half_range) continue;
    for (const NodeId user : graph.users(site.node)) {
      const auto* activation = graph.node(user).as<graph::Activation>();
      const bool relu = activation != nullptr && activation->kind == graph::ActivationKind::relu;
      if (relu) out[static_cast<std::size_t>(user)] = true;
    }
  }
  return out;
}

std::vector<NodeId> quantized_outputs(const quant::SitePlan& plan) {
  std::vector<NodeId> out;
  for (const QuantizerSite& site : plan.sites) {
    BITSWEEP_CHECK(site.place != Place::edge, "a post-training site on an edge");
    if (site.place == Place::output) out.push_back(site.node);
  }
  return out;
}

// What the output quantizers of a plan read of their statistics, the most of any.
Detail most_detail(const quant::SitePlan& plan) {
  const bool any = std::ranges::any_of(plan.sites, [](const QuantizerSite& site) {
    return site.place == Place::output && detail_for(site) == Detail::moments;
  });
  return any ? Detail::moments : Detail::extremes;
}

// The images that calibrate, as positions of what `selection` chooses.
struct CalibrationImages {
  data::Selection selection;
  bool drawn = false;
};

CalibrationImages calibration_images(const TrialConfig& config, const data::Dataset& dataset) {
  const config::CalibrationConfig& calibration = config.quant.calibration;
  CalibrationImages out;
  out.drawn = calibration.order == "random";
  const bool train = calibration.source == "train";
  out.selection.split = train ? data::Split::train : data::Split::test;
  out.selection.images = train ? config.data.train_images : config.data.test_images;
  out.selection.subset = data::subset_of(config.data);
  const std::int64_t available =
      out.selection.images.value_or(dataset.split(out.selection.split).images());
  if (calibration.images < 1 || calibration.images > available) {
    throw ConfigError(
        fmt::format("quant.calibration.images = {}: expected 1 to {}, the {} images that there are",
                    calibration.images, available, calibration.source));
  }
  // No need to decode more than the first images.
  const bool prefix = !out.drawn && out.selection.subset == data::Subset::first;
  if (prefix) out.selection.images = calibration.images;
  return out;
}

// The network of `config` with its weights, in float32 and quantized; nothing has run yet.
Outcome with_quantized_weights(const TrialConfig& config, const data::Dataset& dataset) {
  const graph::Graph network = models::build_model(config.model, dataset.num_classes());
  quant::PlannedNetwork plan = quant::plan_network(network, config.quant);
  if (config.model.weights.empty()) {
    throw ConfigError("model.weights is not set: post-training quantization starts from weights");
  }
  const graph::Parameters loaded = exporting::load_weights(config.model.weights, network);

  Outcome out;
  out.weights_sha256 = sha256_file(config.model.weights);
  out.weights = std::make_shared<const graph::Parameters>(
      graph::fold_parameters(plan.folding, network, loaded));
  out.graph = std::make_shared<const graph::Graph>(std::move(plan.folding.graph));
  out.sites = std::move(plan.sites);
  out.quantizers.resize(out.sites.sites.size());
  out.quantized = std::make_shared<const graph::Parameters>(
      quantize_weights(*out.graph, *out.weights, out.sites, out.quantizers));
  const graph::TotalCount as_is = graph::count(network).total;
  out.counts.total.parameters = as_is.parameters;
  out.counts.total.madds_published = as_is.madds_published;
  return out;
}

// Counts the network as it ran, with the widths that were really used.
void count_as_run(Outcome& out) {
  std::vector<graph::Widths> widths;
  for (const Quantizer& quantizer : out.quantizers) widths.push_back(quantizer.bits);
  const graph::TotalCount as_is = out.counts.total;
  out.counts = graph::count(*out.graph, quant::bit_table(*out.graph, out.sites, widths));
  out.counts.total.parameters = as_is.parameters;
  out.counts.total.madds_published = as_is.madds_published;
}

template <class Map>
void make_room(Map& map, std::size_t most) {
  if (map.size() >= most) map.clear();
}

}  // namespace

Session::Calibration Session::calibration_run(const TrialConfig& config,
                                              const data::Dataset& dataset) {
  const CalibrationImages chosen = calibration_images(config, dataset);
  const auto images = images_.get(dataset, chosen.selection, config.data.root);
  std::vector<std::int64_t> positions =
      chosen.drawn ? data::drawn_order(images->count(), config.seed, data::OrderStream::calibration)
                   : data::file_order(images->count());
  positions.resize(static_cast<std::size_t>(config.quant.calibration.images));
  return {images, std::move(positions), data::normalization(config.data.normalize, dataset)};
}

void Session::correct_outputs(const TrialConfig& config, const data::Dataset& dataset,
                              const Outcome& outcome, std::vector<Quantizer>& quantizers,
                              const Listener& listener) {
  std::vector<WatchedOutput> watched;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < quantizers.size(); ++i) {
    const QuantizerSite& site = outcome.sites.sites[i];
    if (site.place != Place::output || site.bias_correction == "none") continue;
    watched.push_back({site.node, site.half_range, &quantizers[i]});
    positions.push_back(i);
  }
  if (watched.empty()) return;
  const config::CalibrationConfig& settings = config.quant.calibration;
  const Calibration images = calibration_run(config, dataset);
  const exec::Inference network(*outcome.graph, *outcome.weights, device_);
  const auto sums = collect_sums(network, watched, images.sequence(), settings.batch_size,
                                 [&](std::int64_t done) {
                                   if (listener.progress)
                                     listener.progress("calibrate", done, settings.images);
                                 });
  for (std::size_t i = 0; i < positions.size(); ++i) {
    for (const quant::ActivationSums& channel : sums[i]) {
      quantizers[positions[i]].positive_shifts.push_back(channel.correction());
    }
  }
}

std::shared_ptr<const Session::CollectedStatistics> Session::calibrated(
    const TrialConfig& config, const data::Dataset& dataset, const Outcome& outcome,
    const Listener& listener) {
  const config::CalibrationConfig& calibration = config.quant.calibration;
  const CalibrationImages chosen = calibration_images(config, dataset);
  const std::vector<NodeId> nodes = quantized_outputs(outcome.sites);
  const Detail detail = most_detail(outcome.sites);
  const config::NormalizeConfig& normalize = config.data.normalize;
  const nlohmann::json key = {outcome.weights_sha256,
                              outcome.graph->name(),
                              config.model.shortcut,
                              config.model.post_add_relu,
                              config.quant.fold_batch_norm,
                              dataset.name,
                              config.data.root,
                              data::to_string(chosen.selection.split),
                              chosen.selection.images.value_or(-1),
                              static_cast<int>(chosen.selection.subset),
                              chosen.drawn ? config.seed : 0,
                              calibration.order,
                              calibration.images,
                              calibration.batch_size,
                              calibration.over_batches,
                              normalize.name,
                              normalize.mean,
                              normalize.std,
                              detail == Detail::moments,
                              nodes};
  if (const auto it = statistics_.find(key.dump()); it != statistics_.end()) return it->second;

  const Calibration images = calibration_run(config, dataset);
  const exec::Inference network(*outcome.graph, *outcome.weights, device_);
  const auto batches =
      collect_statistics(network, *outcome.graph, nodes, images.sequence(), calibration.batch_size,
                         detail, [&](std::int64_t done) {
                           if (listener.progress)
                             listener.progress("calibrate", done, calibration.images);
                         });
  auto collected = std::make_shared<CollectedStatistics>();
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const QuantizerSite* site = outcome.sites.find(Place::output, nodes[i]);
    const bool extreme =
        calibration.over_batches == "extreme" || site->range == quant::RangeRule::batch_extreme;
    (*collected)[nodes[i]] = extreme ? extreme_over(batches[i]) : mean_over(batches[i]);
  }
  make_room(statistics_, kKeptStatistics);
  return statistics_[key.dump()] = collected;
}

OutputQuantizers Session::output_quantizers(const TrialConfig& config, const data::Dataset& dataset,
                                            Outcome& outcome, const Listener& listener) {
  OutputQuantizers out(*outcome.graph);
  if (quantized_outputs(outcome.sites).empty()) return out;
  const bool dynamic = config.quant.calibration.statistics == config::Statistics::dynamic;
  const Stopwatch watch;
  const auto statistics = dynamic ? nullptr : calibrated(config, dataset, outcome, listener);
  const auto& sites = outcome.sites.sites;
  std::vector<Quantizer> fixed(sites.size());
  for (std::size_t i = 0; i < sites.size(); ++i) {
    if (sites[i].place != Place::output) continue;
    if (dynamic) {
      out.follow(sites[i]);
    } else {
      fixed[i] = activation_quantizer(sites[i], statistics->at(sites[i].node));
    }
  }
  if (!dynamic) {
    correct_outputs(config, dataset, outcome, fixed, listener);
    for (std::size_t i = 0; i < sites.size(); ++i) {
      if (sites[i].place == Place::output) out.fix(sites[i].node, std::move(fixed[i]));
    }
  }
  outcome.calibrate_s = watch.seconds();
  return out;
}

Outcome Session::run(const TrialConfig& config, const Listener& listener) {
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  Outcome out = with_quantized_weights(config, dataset);
  OutputQuantizers outputs = output_quantizers(config, dataset, out, listener);

  const auto test = images_.get(
      dataset, {data::Split::test, config.data.test_images, data::subset_of(config.data)},
      config.data.root);
  const std::vector<std::int64_t> positions =
      config.eval.shuffle
          ? data::drawn_order(test->count(), config.seed, data::OrderStream::evaluation)
          : data::file_order(test->count());
  const data::Normalization normalization = data::normalization(config.data.normalize, dataset);
  const exec::Inference network(*out.graph, *out.quantized, device_,
                                performed_relus(*out.graph, out.sites));
  out.accuracy = Accuracy(test->count());
  const Stopwatch watch;
  evaluate(
      network, {*test, positions, normalization}, config.eval.batch_size, std::ref(outputs),
      [&](std::int64_t position, std::span<const float> logits) {
        out.accuracy.add(position, logits, test->labels[static_cast<std::size_t>(position)]);
        if (listener.logits) listener.logits(position, logits);
      },
      [&](std::int64_t done) {
        if (listener.progress) listener.progress("evaluate", done, test->count());
      });
  out.evaluate_s = watch.seconds();
  for (std::size_t i = 0; i < out.quantizers.size(); ++i) {
    const QuantizerSite& site = out.sites.sites[i];
    if (site.place == Place::output) out.quantizers[i] = *outputs.first(site.node);
  }
  count_as_run(out);
  return out;
}

}  // namespace bitsweep::ptq
