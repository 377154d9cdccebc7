#include "ptq/exported.h"

#include <ATen/ops/contiguous.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <variant>

#include "core/check.h"
#include "core/hash.h"
#include "core/stopwatch.h"
#include "data/order.h"
#include "exec/training.h"
#include "ptq/evaluation_images.h"

namespace bitsweep::ptq {
namespace {

using config::TrialConfig;
using exporting::OutputGrid;
using exporting::QuantizedNetwork;
using exporting::WeightCodes;
using quant::Place;
using quant::QuantizerSite;

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// The values before their corrections, which put them off their grid: near enough to find the
// codes, however these came about (rounded, learned, drawn).
std::vector<float> uncorrected(const WeightCodes& weight, std::vector<float> values,
                               std::int64_t channels) {
  const std::size_t per_channel = values.size() / static_cast<std::size_t>(channels);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto correction = exporting::correction_of(weight, i / per_channel);
    values[i] = static_cast<float>((values[i] - correction.shift) / correction.scale);
  }
  return values;
}

WeightCodes weight_codes(const Prepared& prepared, std::size_t position) {
  const QuantizerSite& site = prepared.sites.sites[position];
  const graph::Node& node = prepared.graph().node(site.node);
  Quantizer quantizer = prepared.weights[position]->quantizer;
  WeightCodes out;
  out.node = site.node;
  out.quantizer = site.quantizer;
  out.corrections = quantizer.corrections;
  out.rescales = quantizer.rescales;
  out.centroids = quantizer.centroids;
  for (std::size_t i = 0; i < quantizer.grids.size(); ++i) {
    // Of an empty range, which the quantizer leaves as it is: its one value needs no bits.
    if (quantizer.grids[i].scale != 0.0F) continue;
    quantizer.grids[i] = exporting::with_a_code(quantizer.grids[i], quantizer.ranges[i].lower);
    quantizer.bits[i] = 0;
  }
  out.bits = quantizer.bits;
  out.grids = quantizer.grids;
  if (!out.grids.empty() || !out.centroids.empty()) {
    const std::int64_t channels = node.output.channels;
    const std::vector<float> values =
        uncorrected(out, prepared.weights[position]->values, channels);
    out.codes.resize(values.size());
    quantizer.codes(values.data(), out.codes.data(),
                    {1, channels, static_cast<std::int64_t>(values.size()) / channels});
    if (same_bits(exporting::decode(out, channels), prepared.weights[position]->values)) return out;
  }
  throw ConfigError(
      fmt::format("layer '{}': its weights are not what codes of quantizer '{}' stand for, which "
                  "an export needs",
                  node.name, site.quantizer));
}

OutputGrid output_grid(const Prepared& prepared, std::size_t position) {
  const QuantizerSite& site = prepared.sites.sites[position];
  if (prepared.dynamic) {
    throw ConfigError(
        "quant.calibration.statistics = \"dynamic\": the ranges of activations are those of each "
        "batch, and there is nothing to export; use \"calibrated\"");
  }
  const Quantizer& quantizer = prepared.quantizers[position];
  if (quantizer.random) {
    throw ConfigError(
        fmt::format("node '{}': quant.activation.rounding = \"stochastic\" draws noise for every "
                    "image, which an exported network has none of; use \"nearest\"",
                    prepared.graph().node(site.node).name));
  }
  OutputGrid out;
  out.node = site.node;
  out.quantizer = site.quantizer;
  out.half_range = site.half_range;
  out.bits = quantizer.bits;
  out.ranges = quantizer.ranges;
  out.grids = quantizer.grids;
  out.rounding = quantizer.rounding;
  out.positive_shifts = quantizer.positive_shifts;
  if (out.grids.empty()) {
    throw ConfigError(
        fmt::format("node '{}': quantizer '{}' has no grid of codes, which an export needs",
                    prepared.graph().node(site.node).name, site.quantizer));
  }
  return out;
}

// The site of a clamp, for the executor of trainings.
QuantizerSite clamp_site(const OutputGrid& output) {
  QuantizerSite site;
  site.place = Place::output;
  site.node = output.node;
  site.bits = output.clamp->quantizer.bits;
  site.quantizer = output.quantizer;
  site.clamp_factor = output.clamp->quantizer.factor;
  site.clip = output.clamp->quantizer.clip;
  site.alpha_init = output.clamp->alpha;
  return site;
}

// A network after training: the executor that trained it, with weights that are quantized already.
class TrainedExecutor {
 public:
  TrainedExecutor(const QuantizedNetwork& network, at::Device device)
      : training_(network.graph, sites_of(network), config::Precision::fp32, device) {
    training_.load(network.parameters);
  }
  at::Tensor run(const at::Tensor& images) {
    const c10::InferenceMode inference;
    return training_.forward(images.contiguous(at::MemoryFormat::ChannelsLast),
                             exec::NormMode::evaluate);
  }
  at::Tensor value(graph::NodeId node) const { return training_.value(node); }

 private:
  static quant::SitePlan sites_of(const QuantizedNetwork& network) {
    quant::SitePlan out;
    for (const OutputGrid& output : network.outputs) out.sites.push_back(clamp_site(output));
    return out;
  }
  exec::Training training_;
};

// A network after post-training quantization.
class QuantizedExecutor {
 public:
  QuantizedExecutor(const QuantizedNetwork& network, at::Device device)
      : inference_(network.graph, network.parameters, device, network.skipped),
        quantizers_(network.graph.nodes().size()) {
    for (const OutputGrid& output : network.outputs) {
      Quantizer& quantizer = quantizers_[static_cast<std::size_t>(output.node)].emplace();
      quantizer.bits = output.bits;
      quantizer.ranges = output.ranges;
      quantizer.grids = output.grids;
      quantizer.rounding = output.rounding;
      quantizer.positive_shifts = output.positive_shifts;
    }
  }
  at::Tensor run(const at::Tensor& images, const OnOutput& on_output) {
    return inference_.run(images, [&](graph::NodeId node, at::Tensor& value) {
      if (const auto& quantizer = quantizers_[static_cast<std::size_t>(node)]) {
        // An output that is its input under another name (flatten, dropout) may have other readers.
        if (value.storage().use_count() > 1) value = value.clone();
        quantizer->apply(value, {});  // rounded to the nearest: output_grid()
      }
      if (on_output) on_output(node, value);
    });
  }

 private:
  exec::Inference inference_;
  std::vector<std::optional<Quantizer>> quantizers_;  // by node
};

}  // namespace

void LogitsRecord::add(std::int64_t position, std::span<const float> logits) {
  if (classes_ == 0) {
    classes_ = logits.size();
    values_.resize(static_cast<std::size_t>(images_) * classes_);
  }
  BITSWEEP_CHECK(logits.size() == classes_ && position >= 0 && position < images_,
                 "{} logits of image {} of {}", logits.size(), position, images_);
  std::ranges::copy(logits, values_.begin() + position * static_cast<std::int64_t>(classes_));
}

std::span<const float> LogitsRecord::of(std::int64_t position) const {
  return std::span(values_).subspan(static_cast<std::size_t>(position) * classes_, classes_);
}

std::string LogitsRecord::sha256() const {
  static_assert(std::endian::native == std::endian::little, "floats are hashed as they lie");
  return sha256_hex(std::as_bytes(std::span(values_)));
}

exporting::Recorded ExportedRun::recorded() const {
  exporting::Recorded out;
  out.images = accuracy.images();
  out.correct = accuracy.correct_top1();
  out.top1 = accuracy.top1();
  out.top5 = accuracy.top5();
  out.loss = accuracy.loss();
  out.bitmap_sha256 = sha256_hex(std::span<const std::byte>(accuracy.bitmap()));
  out.logits_sha256 = logits.sha256();
  return out;
}

QuantizedNetwork exported_network(const Prepared& prepared, const nlohmann::json& settings,
                                  const TrialConfig& config) {
  QuantizedNetwork out;
  out.settings = settings;
  out.normalization =
      data::normalization(config.data.normalize, data::datasets().get(config.data.name));
  out.graph = prepared.graph();
  out.parameters = quantized_parameters(prepared);
  out.skipped = performed_relus(prepared);
  for (std::size_t i = 0; i < prepared.sites.sites.size(); ++i) {
    switch (prepared.sites.sites[i].place) {
      case Place::weight:
        out.weights.push_back(weight_codes(prepared, i));
        break;
      case Place::output:
        out.outputs.push_back(output_grid(prepared, i));
        break;
      case Place::edge:
      case Place::gradient:
        throw ConfigError(fmt::format("node '{}': a quantizer on an edge has no exported form",
                                      out.graph.node(prepared.sites.sites[i].node).name));
    }
  }
  return out;
}

struct ExportedNetwork::Executor {
  const QuantizedNetwork& network;
  std::variant<std::monostate, TrainedExecutor, QuantizedExecutor> of;
};

ExportedNetwork::ExportedNetwork(const QuantizedNetwork& network, at::Device device)
    : executor_(new Executor{network, {}}) {
  if (network.is_trained()) {
    executor_->of.emplace<TrainedExecutor>(network, device);
  } else {
    executor_->of.emplace<QuantizedExecutor>(network, device);
  }
}

ExportedNetwork::~ExportedNetwork() = default;

at::Tensor ExportedNetwork::run(const at::Tensor& images, const OnOutput& on_output) {
  if (auto* quantized = std::get_if<QuantizedExecutor>(&executor_->of)) {
    return quantized->run(images, on_output);
  }
  auto& trained = std::get<TrainedExecutor>(executor_->of);
  const at::Tensor logits = trained.run(images);
  if (on_output) {
    for (std::size_t id = 0; id < executor_->network.graph.nodes().size(); ++id) {
      const auto node = static_cast<graph::NodeId>(id);
      const at::Tensor value = trained.value(node);
      if (value.defined()) on_output(node, value);
    }
  }
  return logits;
}

ExportedRun run_exported(const QuantizedNetwork& network, const TrialConfig& config,
                         at::Device device, const OnProgress& progress) {
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  data::ImageCache cache;
  const auto images = evaluation_images(config, dataset, cache);
  const data::Images& test = *images;
  const std::vector<std::int64_t> positions =
      config.eval.shuffle
          ? data::drawn_order(test.count(), config.seed, data::OrderStream::evaluation)
          : data::file_order(test.count());
  ExportedNetwork executor(network, device);
  ExportedRun out{Accuracy(test.count()), LogitsRecord(test.count()), 0};
  const Stopwatch watch;
  for_each_batch(
      {test, positions, network.normalization}, config.eval.batch_size, device,
      [&](std::span<const std::int64_t> part, const at::Tensor& batch) {
        const at::Tensor logits = executor.run(batch).cpu().contiguous();
        const auto classes = static_cast<std::size_t>(logits.size(1));
        const float* row = logits.const_data_ptr<float>();
        for (const std::int64_t position : part) {
          out.accuracy.add(position, {row, classes},
                           test.labels[static_cast<std::size_t>(position)]);
          out.logits.add(position, {row, classes});
          row += classes;
        }
      },
      progress);
  out.evaluate_s = watch.seconds();
  return out;
}

}  // namespace bitsweep::ptq
