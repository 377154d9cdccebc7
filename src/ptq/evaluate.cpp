#include "ptq/evaluate.h"

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "core/check.h"
#include "ptq/histograms.h"

namespace bitsweep::ptq {
namespace {

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

void for_each_batch(const ImageSequence& sequence, std::int64_t step, at::Device device,
                    const OnBatch& run, const OnProgress& progress) {
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

std::vector<std::vector<TensorStatistics>> collect_statistics(
    const exec::Inference& network, const graph::Graph& graph, std::span<const graph::NodeId> nodes,
    const ImageSequence& sequence, std::int64_t batch_size, const Detail& detail,
    const OnProgress& progress) {
  std::vector<std::vector<TensorStatistics>> out(nodes.size());
  const auto observe = [&](graph::NodeId id, at::Tensor& value) {
    const auto it = std::find(nodes.begin(), nodes.end(), id);
    if (it == nodes.end()) return;
    auto& batches = out[static_cast<std::size_t>(it - nodes.begin())];
    batches.push_back(statistics(value, detail, graph.node(id).name));
    if (batches.size() == 1) return;
    merge_histograms(batches.front(), batches.back());  // one is kept, however many batches
    forget_histograms(batches.back());
  };
  for_each_batch(
      sequence, batch_size, network.device(),
      [&](auto, const at::Tensor& batch) { network.run(batch, observe); }, progress);
  return out;
}

std::vector<std::vector<quant::ActivationSums>> collect_sums(const exec::Inference& network,
                                                             std::span<const WatchedOutput> outputs,
                                                             const ImageSequence& sequence,
                                                             std::int64_t batch_size,
                                                             const OnProgress& progress) {
  std::vector<std::vector<quant::ActivationSums>> out(outputs.size());
  std::span<const std::int64_t> fed;
  const auto observe = [&](graph::NodeId id, at::Tensor& value) {
    const auto it = std::ranges::find(outputs, id, &WatchedOutput::node);
    if (it == outputs.end()) return;
    at::Tensor quantized = value.clone();
    it->quantizer->apply(quantized, fed);
    add_sums(value.cpu(), quantized.cpu(), it->half_range,
             out[static_cast<std::size_t>(it - outputs.begin())]);
  };
  const auto run = [&](std::span<const std::int64_t> positions, const at::Tensor& batch) {
    fed = positions;
    network.run(batch, observe);
  };
  for_each_batch(sequence, batch_size, network.device(), run, progress);
  return out;
}

}  // namespace bitsweep::ptq
