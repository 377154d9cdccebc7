#include "ptq/tensor_distance.h"

#include <ATen/ops/empty.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "core/check.h"
#include "exec/inference.h"
#include "exec/training.h"
#include "ptq/exported.h"

namespace bitsweep::ptq {
namespace {

at::Tensor batch_of(const exporting::QuantizedNetwork& network, std::span<const float> image) {
  const graph::Shape& shape = network.graph.node(0).output;
  BITSWEEP_CHECK(static_cast<std::int64_t>(image.size()) == shape.elements(), "{} values of {}",
                 image.size(), shape.elements());
  const at::Tensor out =
      at::empty({1, shape.channels, shape.height, shape.width}, at::TensorOptions(at::kFloat));
  std::ranges::copy(image, out.mutable_data_ptr<float>());
  return out;
}

NodeValue copied(graph::NodeId node, const at::Tensor& value) {
  const at::Tensor on_host = value.to(at::kCPU, at::kFloat).contiguous();
  const float* data = on_host.const_data_ptr<float>();
  return {node, {data, data + on_host.numel()}};
}

}  // namespace

TensorDistance distance(std::span<const float> reference, std::span<const float> other) {
  BITSWEEP_CHECK(reference.size() == other.size(), "{} and {} values", reference.size(),
                 other.size());
  TensorDistance out;
  out.elements = static_cast<std::int64_t>(reference.size());
  out.equal = std::memcmp(reference.data(), other.data(), reference.size_bytes()) == 0;
  double signal = 0, noise = 0, other_square = 0, product = 0;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    const double a = reference[i], b = other[i];
    signal += a * a;
    other_square += b * b;
    product += a * b;
    noise += (a - b) * (a - b);
    out.max_abs = std::max(out.max_abs, std::abs(a - b));
  }
  if (!reference.empty()) out.mse = noise / static_cast<double>(reference.size());
  out.sqnr_db =
      noise > 0 ? 10 * std::log10(signal / noise) : std::numeric_limits<double>::infinity();
  if (signal > 0 || other_square > 0) {
    const double lengths = std::sqrt(signal) * std::sqrt(other_square);
    out.cosine = lengths > 0 ? product / lengths : 0;
  }
  return out;
}

std::vector<NodeValue> node_values(const exporting::QuantizedNetwork& network,
                                   std::span<const float> image) {
  const c10::InferenceMode inference;
  std::vector<NodeValue> out;
  ExportedNetwork executor(network, at::kCPU);
  executor.run(batch_of(network, image), [&](graph::NodeId node, const at::Tensor& value) {
    out.push_back(copied(node, value));
  });
  return out;
}

std::vector<NodeValue> float_node_values(const exporting::QuantizedNetwork& network,
                                         const graph::Parameters& parameters,
                                         std::span<const float> image) {
  const c10::InferenceMode inference;
  std::vector<NodeValue> out;
  const exec::Inference executor(network.graph, parameters, at::kCPU);
  executor.run(batch_of(network, image), [&](graph::NodeId node, at::Tensor& value) {
    out.push_back(copied(node, value));
    const exporting::OutputGrid* output = network.output_of(node);
    if (output == nullptr || !output->half_range) return;
    for (float& v : out.back().values) v = std::max(v, 0.0F);
  });
  return out;
}

}  // namespace bitsweep::ptq
