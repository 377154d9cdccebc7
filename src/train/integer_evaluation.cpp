#include "train/integer_evaluation.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>

#include "core/check.h"
#include "core/stopwatch.h"
#include "data/normalize.h"
#include "integer/fast.h"
#include "report/statistics.h"

namespace bitsweep::train {
namespace {

std::vector<float> to_host(const at::Tensor& values) {
  const at::Tensor host = values.detach().cpu().to(at::kFloat).contiguous();
  return {host.const_data_ptr<float>(), host.const_data_ptr<float>() + host.numel()};
}

// [channels, height, width] of image `i`.
std::vector<float> values_of(const at::Tensor& batch, std::int64_t i) {
  return to_host(batch.select(0, i).contiguous());
}

class Comparison {
 public:
  Comparison(const integer::Network& network, exec::Training& simulation)
      : network_(network), simulation_(simulation), executor_(network) {
    differences_.resize(network.tensors.size());
  }

  // One batch of normalised images.
  void add(const Batch& batch, std::int64_t compared, IntegerEvaluation& out) {
    const std::vector<float> float_logits =
        to_host(simulation_.forward(batch.images, exec::NormMode::evaluate));
    const std::vector<float> images = to_host(batch.images);
    const std::int64_t count = batch.images.size(0);
    const auto classes = static_cast<std::size_t>(network_.num_classes());
    std::vector<float> logits(static_cast<std::size_t>(count) * classes);
    const Stopwatch watch;
    executor_.run(images, count, logits);
    out.seconds += watch.seconds();
    for (std::int64_t i = 0; i < count; ++i) {
      const std::size_t at = static_cast<std::size_t>(i) * classes;
      out.predictions.add(std::span(logits).subspan(at, classes),
                          std::span(float_logits).subspan(at, classes),
                          batch.labels.const_data_ptr<std::int32_t>()[i]);
    }
    for (std::int64_t i = 0; i < std::min(count, compared); ++i) compare(images, i);
  }

  std::vector<integer::TensorDifference> differences() const {
    std::vector<integer::TensorDifference> out;
    std::ranges::copy_if(differences_, std::back_inserter(out),
                         [](const auto& difference) { return difference.elements > 0; });
    return out;
  }

 private:
  // Image `i` of the batch that the simulation ran last, on the nodes whose values it has.
  void compare(std::span<const float> images, std::int64_t i) {
    const auto elements = static_cast<std::size_t>(network_.input().shape.elements());
    const integer::Trace trace =
        executor_.trace(images.subspan(static_cast<std::size_t>(i) * elements, elements));
    for (std::size_t t = 0; t < network_.tensors.size(); ++t) {
      const integer::Tensor& tensor = network_.tensors[t];
      const graph::NodeId node = simulation_.graph().find(tensor.name);
      const at::Tensor value = node < 0 ? at::Tensor() : simulation_.value(node);
      if (!value.defined()) continue;
      integer::add_differences(tensor, trace.codes[t], values_of(value, i), differences_[t]);
    }
  }

  const integer::Network& network_;
  exec::Training& simulation_;
  integer::FastExecutor executor_;
  std::vector<integer::TensorDifference> differences_;  // by tensor
};

}  // namespace

integer::Settings integer_settings(const config::TrialConfig& config) {
  integer::Settings out = integer::settings_of(config.quant.integer);
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  const data::Normalization normalization = data::normalization(config.data.normalize, dataset);
  out.input = integer::image_format(data::largest_value(normalization), out.variant);
  return out;
}

integer::Network integer_network(const graph::Graph& graph, const exec::Training& training,
                                 const integer::Settings& settings) {
  graph::Parameters parameters(graph);
  training.store(parameters);
  integer::Alphas alphas;
  const std::vector<float> values = to_host(training.alphas());
  for (std::size_t i = 0; i < values.size(); ++i) {
    alphas[training.alpha_names()[i]] = static_cast<double>(values[i]);
  }
  return integer::build(graph, training.sites(), parameters, alphas, settings);
}

IntegerEvaluation evaluate_integers(const integer::Network& network, exec::Training& simulation,
                                    const Batches& batches, const data::Images& images,
                                    std::span<const std::int64_t> positions,
                                    std::int64_t batch_size,
                                    const std::function<void(std::int64_t done)>& progress) {
  const c10::InferenceMode inference;
  IntegerEvaluation out;
  Comparison comparison(network, simulation);
  const auto total = static_cast<std::int64_t>(positions.size());
  for (std::int64_t begin = 0; begin < total; begin += batch_size) {
    const std::int64_t count = std::min(batch_size, total - begin);
    const Batch batch = batches.plain(images, positions.subspan(static_cast<std::size_t>(begin),
                                                                static_cast<std::size_t>(count)));
    comparison.add(batch, kImagesComparedByNode - begin, out);
    if (progress) progress(begin + count);
  }
  out.tensors = comparison.differences();
  out.slow_steps = integer::FastExecutor(network).slow_steps();
  out.mcnemar_p =
      report::mcnemar_from_counts(out.predictions.images(), out.predictions.only_integer(),
                                  out.predictions.only_float())
          .p_exact;
  return out;
}

}  // namespace bitsweep::train
