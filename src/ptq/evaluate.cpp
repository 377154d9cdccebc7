#include "ptq/evaluate.h"

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "core/check.h"

namespace bitsweep::ptq {
namespace {

// Calls run(positions, batch tensor on `device`) for every step of the sequence.
template <class Run>
void for_each_batch(const ImageSequence& sequence, std::int64_t step, at::Device device,
                    const OnProgress& progress, Run run) {
  BITSWEEP_CHECK(step > 0, "{} images a step", step);
  const c10::InferenceMode inference;
  const data::ImageShape& shape = sequence.images.shape;
  const auto total = static_cast<std::int64_t>(sequence.positions.size());
  for (std::int64_t begin = 0; begin < total; begin += step) {
    const std::int64_t count = std::min(step, total - begin);
    const auto positions = sequence.positions.subspan(static_cast<std::size_t>(begin),
                                                      static_cast<std::size_t>(count));
    const at::Tensor batch = at::empty({count, shape.channels, shape.height, shape.width},
                                       at::TensorOptions(at::kFloat));
    data::normalized_batch(sequence.images, positions, sequence.normalization,
                           batch.mutable_data_ptr<float>());
    run(positions, batch.to(device));
    if (progress) progress(begin + count);
  }
}

// x, quantized: [samples, channels, height, width] on the CPU; sums: one per channel.
void add_sums(const at::Tensor& x, const at::Tensor& quantized, bool half_range,
              std::vector<quant::ActivationSums>& sums) {
  const auto channels = static_cast<std::size_t>(x.size(1));
  const auto pixels = static_cast<std::size_t>(x.size(2) * x.size(3));
  sums.resize(channels);
  const auto samples = static_cast<std::size_t>(x.size(0));
  for (std::size_t row = 0; row < samples * channels; ++row) {
    quant::add_sums({x.const_data_ptr<float>() + row * pixels, pixels},
                    {quantized.const_data_ptr<float>() + row * pixels, pixels}, half_range,
                    sums[row % channels]);
  }
}

}  // namespace

std::vector<std::vector<TensorStatistics>> collect_statistics(
    const exec::Inference& network, const graph::Graph& graph, std::span<const graph::NodeId> nodes,
    const ImageSequence& sequence, std::int64_t batch_size, Detail detail,
    const OnProgress& progress) {
  std::vector<std::vector<TensorStatistics>> out(nodes.size());
  const auto observe = [&](graph::NodeId id, at::Tensor& value) {
    const auto it = std::find(nodes.begin(), nodes.end(), id);
    if (it == nodes.end()) return;
    out[static_cast<std::size_t>(it - nodes.begin())].push_back(
        statistics(value, detail, graph.node(id).name));
  };
  for_each_batch(sequence, batch_size, network.device(), progress,
                 [&](auto, const at::Tensor& batch) { network.run(batch, observe); });
  return out;
}

std::vector<std::vector<quant::ActivationSums>> collect_sums(const exec::Inference& network,
                                                             std::span<const WatchedOutput> outputs,
                                                             const ImageSequence& sequence,
                                                             std::int64_t batch_size,
                                                             const OnProgress& progress) {
  std::vector<std::vector<quant::ActivationSums>> out(outputs.size());
  const auto observe = [&](graph::NodeId id, at::Tensor& value) {
    const auto it = std::ranges::find(outputs, id, &WatchedOutput::node);
    if (it == outputs.end()) return;
    at::Tensor quantized = value.clone();
    it->quantizer->apply(quantized);
    add_sums(value.cpu(), quantized.cpu(), it->half_range,
             out[static_cast<std::size_t>(it - outputs.begin())]);
  };
  for_each_batch(sequence, batch_size, network.device(), progress,
                 [&](auto, const at::Tensor& batch) { network.run(batch, observe); });
  return out;
}

OutputQuantizers::OutputQuantizers(const graph::Graph& graph)
    : graph_(graph), entries_(graph.nodes().size()) {}

void OutputQuantizers::fix(graph::NodeId node, Quantizer quantizer) {
  entries_[static_cast<std::size_t>(node)].quantizer = std::move(quantizer);
}

void OutputQuantizers::follow(const quant::QuantizerSite& site) {
  entries_[static_cast<std::size_t>(site.node)].dynamic = site;
}

void OutputQuantizers::operator()(graph::NodeId node, at::Tensor& value) {
  Entry& entry = entries_[static_cast<std::size_t>(node)];
  if (!entry.quantizer && !entry.dynamic) return;
  // An output that is its input under another name (flatten, dropout) may have other readers.
  if (value.storage().use_count() > 1) value = value.clone();
  if (!entry.dynamic) return entry.quantizer->apply(value);
  Quantizer quantizer = activation_quantizer(
      *entry.dynamic, statistics(value, detail_for(*entry.dynamic), graph_.node(node).name));
  quantizer.apply(value);
  if (!entry.quantizer) entry.quantizer = std::move(quantizer);
}

const Quantizer* OutputQuantizers::first(graph::NodeId node) const {
  const Entry& entry = entries_[static_cast<std::size_t>(node)];
  return entry.quantizer ? &*entry.quantizer : nullptr;
}

void evaluate(const exec::Inference& network, const ImageSequence& sequence, std::int64_t step,
              const exec::OutputHook& hook, const OnLogits& on_logits, const OnProgress& progress) {
  for_each_batch(sequence, step, network.device(), progress,
                 [&](std::span<const std::int64_t> positions, const at::Tensor& batch) {
                   const at::Tensor logits = network.run(batch, hook).cpu().contiguous();
                   const auto classes = static_cast<std::size_t>(logits.size(1));
                   const float* row = logits.const_data_ptr<float>();
                   for (const std::int64_t position : positions) {
                     on_logits(position, {row, classes});
                     row += classes;
                   }
                 });
}

}  // namespace bitsweep::ptq
