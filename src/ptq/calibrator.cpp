#include "ptq/calibrator.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "data/order.h"
#include "exec/inference.h"

namespace bitsweep::ptq {
namespace {

using graph::NodeId;
using quant::Place;
using quant::QuantizerSite;

constexpr std::size_t kKept = 16;

// Every output that the scheme has a place for, quantized or not: configurations that leave
// different layers alone use the same statistics.
std::vector<NodeId> observed_outputs(const quant::SitePlan& plan) {
  std::vector<NodeId> out = plan.unquantized_outputs;
  for (const QuantizerSite& site : plan.sites) {
    BITSWEEP_CHECK(site.place != Place::edge, "a post-training site on an edge");
    if (site.place == Place::output) out.push_back(site.node);
  }
  std::ranges::sort(out);
  return out;
}

// What the output quantizers of a plan read of their statistics, the most of any; moments of
// tensors and channels alike, so that other plans find them.
Detail most_detail(const quant::SitePlan& plan) {
  Detail out;
  for (const QuantizerSite& site : plan.sites) {
    if (site.place == Place::output) out = out | detail_for(site);
  }
  if (out.moments_of_tensor || out.moments_of_channels) out = out | Detail::moments;
  return out;
}

}  // namespace

CalibrationImages calibration_images(const config::TrialConfig& config,
                                     const data::Dataset& dataset, data::ImageCache& cache) {
  const config::CalibrationConfig& calibration = config.quant.calibration;
  const bool drawn = calibration.order == "random";
  const bool train = calibration.source == "train";
  data::Selection selection =
      data::selection_of(config.data, train ? data::Split::train : data::Split::test);
  const std::int64_t available = selection.images.value_or(dataset.split(selection.split).images());
  if (calibration.images < 1 || calibration.images > available) {
    throw ConfigError(
        fmt::format("quant.calibration.images = {}: expected 1 to {}, the {} images that there are",
                    calibration.images, available, calibration.source));
  }
  // No need to decode more than the first images.
  const bool prefix = !drawn && selection.subset == data::Subset::first;
  if (prefix) selection.images = calibration.images;
  CalibrationImages out;
  out.images = cache.get(dataset, selection, config.data.root);
  out.positions =
      drawn ? data::drawn_order(out.images->count(), config.seed, data::OrderStream::calibration)
            : data::file_order(out.images->count());
  out.positions.resize(static_cast<std::size_t>(calibration.images));
  out.normalization = data::normalization(config.data.normalize, dataset);
  out.batch_size = calibration.batch_size;
  return out;
}

std::shared_ptr<const Calibrator::Collected> Calibrator::collect(Key key, Detail detail,
                                                                 const CalibrationImages& images,
                                                                 const OnProgress& progress) {
  const auto found = std::ranges::find_if(
      kept_, [&](const Entry& entry) { return entry.key == key && entry.detail.covers(detail); });
  if (found != kept_.end()) return found->statistics;
  const graph::Graph& graph = key.network->graph;
  const exec::Inference network(graph, key.network->weights, device_);
  auto collected = std::make_shared<const Collected>(collect_statistics(
      network, graph, key.nodes, images.sequence(), images.batch_size, detail, progress));
  if (kept_.size() >= kKept) kept_.erase(kept_.begin());
  kept_.push_back({std::move(key), detail, collected});
  return collected;
}

void Calibrator::correct(const quant::SitePlan& sites, const FloatNetwork& network,
                         const CalibrationImages& images, std::vector<Quantizer>& quantizers,
                         const OnProgress& progress) {
  std::vector<WatchedOutput> watched;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < quantizers.size(); ++i) {
    const QuantizerSite& site = sites.sites[i];
    if (site.place != Place::output || site.bias_correction == "none") continue;
    watched.push_back({site.node, site.half_range, &quantizers[i]});
    positions.push_back(i);
  }
  if (watched.empty()) return;
  const exec::Inference inference(network.graph, network.weights, device_);
  const auto sums =
      collect_sums(inference, watched, images.sequence(), images.batch_size, progress);
  for (std::size_t i = 0; i < positions.size(); ++i) {
    for (const quant::ActivationSums& channel : sums[i]) {
      quantizers[positions[i]].positive_shifts.push_back(channel.correction());
    }
  }
}

std::vector<Quantizer> Calibrator::output_quantizers(
    const config::TrialConfig& config, const data::Dataset& dataset,
    const std::shared_ptr<const FloatNetwork>& network, const quant::SitePlan& sites,
    data::ImageCache& cache, const OnProgress& progress) {
  const CalibrationImages images = calibration_images(config, dataset, cache);
  const std::vector<NodeId> nodes = observed_outputs(sites);
  const auto statistics = collect(
      {network, images.images, images.positions, images.batch_size, config.data.normalize, nodes},
      most_detail(sites), images, progress);
  std::vector<Quantizer> out(sites.sites.size());
  for (std::size_t i = 0; i < out.size(); ++i) {
    const QuantizerSite& site = sites.sites[i];
    if (site.place != Place::output) continue;
    const auto place = std::ranges::lower_bound(nodes, site.node) - nodes.begin();
    const auto& batches = (*statistics)[static_cast<std::size_t>(place)];
    const bool extreme = config.quant.calibration.over_batches == "extreme" ||
                         site.range == quant::RangeRule::batch_extreme;
    out[i] = activation_quantizer(site, extreme ? extreme_over(batches) : mean_over(batches));
  }
  correct(sites, *network, images, out, progress);
  return out;
}

}  // namespace bitsweep::ptq
