#include "ptq/refinement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "core/check.h"
#include "core/error.h"
#include "exec/inference.h"
#include "graph/layers.h"
#include "graph/passes.h"
#include "kernels/philox_math.h"
#include "ptq/adaptive_rounding.h"
#include "quant/bias_correction.h"

namespace bitsweep::ptq {
namespace {

using graph::NodeId;
using quant::Place;
using quant::QuantizerSite;

constexpr std::int64_t kMostElements = std::int64_t{1} << 26;  // of a tensor, over all images
constexpr std::int64_t kMostSamples = 2048;                    // positions of a layer's output
constexpr std::uint32_t kSampleStream = 0x41520000;            // "AR": of positions; + node
constexpr std::uint32_t kBatchStream = 0x41530000;             // of batches; + node

std::size_t to_size(std::int64_t i) { return static_cast<std::size_t>(i); }

std::int64_t images_at_once(const graph::Graph& graph, std::int64_t images) {
  std::int64_t largest = 1;
  for (const graph::Node& node : graph.nodes()) {
    largest = std::max(largest, node.output.elements());
  }
  return std::clamp<std::int64_t>(kMostElements / largest, 1, images);
}

struct Moments {
  double mean = 0;
  double deviation = 0;
};

// Of each channel of [batch, channels, height, width].
std::vector<Moments> channel_moments(const at::Tensor& value) {
  const std::int64_t channels = value.size(1);
  const std::int64_t pixels = value.size(2) * value.size(3);
  const auto n = static_cast<double>(value.size(0) * pixels);
  const float* data = value.const_data_ptr<float>();
  std::vector<Moments> out;
  for (std::int64_t c = 0; c < channels; ++c) {
    const auto sum_over = [&](auto of) {
      double sum = 0;
      for (std::int64_t b = 0; b < value.size(0); ++b) {
        const float* plane = data + (b * channels + c) * pixels;
        for (std::int64_t i = 0; i < pixels; ++i) sum += of(static_cast<double>(plane[i]));
      }
      return sum;
    };
    const double mean = sum_over([](double x) { return x; }) / n;
    const double variance = sum_over([&](double x) { return (x - mean) * (x - mean); }) / n;
    out.push_back({mean, std::sqrt(variance)});
  }
  return out;
}

// How a layer reads its input.
struct Window {
  std::int64_t groups = 1;
  std::int64_t outputs = 0;   // of a group
  std::int64_t channels = 0;  // of a group, of the input
  std::array<int, 2> kernel{1, 1};
  std::array<int, 2> stride{1, 1};
  std::array<int, 2> dilation{1, 1};
  graph::Padding padding{};

  std::int64_t inputs() const { return channels * kernel[0] * kernel[1]; }
};

Window window_of(const graph::Node& node) {
  if (const auto* linear = node.as<graph::Linear>()) {
    return {1, linear->out_features, linear->in_features, {1, 1}, {1, 1}, {1, 1}, {}};
  }
  const auto& conv = *node.as<graph::Convolution>();
  return {conv.groups,
          conv.out_channels / conv.groups,
          conv.in_channels / conv.groups,
          conv.kernel,
          conv.stride,
          conv.dilation,
          conv.padding};
}

// A position of a layer's output.
struct Position {
  std::int64_t image = 0;
  std::int64_t row = 0;
  std::int64_t column = 0;
};

std::vector<Position> draw_positions(const graph::Node& node, NodeId id, std::int64_t images,
                                     std::uint64_t seed) {
  const std::int64_t all = images * node.output.height * node.output.width;
  const kernels::RandomStream random{seed, kSampleStream + static_cast<std::uint32_t>(id), 0};
  std::vector<Position> out;
  for (std::int64_t i = 0; i < std::min(all, kMostSamples); ++i) {
    const std::uint64_t bits = kernels::random_bits(random, static_cast<std::uint64_t>(i));
    std::int64_t flat =
        all <= kMostSamples
            ? i
            : static_cast<std::int64_t>((bits * static_cast<std::uint64_t>(all)) >> 32);
    const std::int64_t column = flat % node.output.width;
    flat /= node.output.width;
    out.push_back({flat / node.output.height, flat % node.output.height, column});
  }
  return out;
}

// [groups, samples, outputs of a group] of a layer's output.
std::vector<float> gather_targets(const at::Tensor& value, const Window& window,
                                  const std::vector<Position>& positions) {
  std::vector<float> out;
  out.reserve(positions.size() * to_size(window.groups * window.outputs));
  const float* data = value.const_data_ptr<float>();
  for (std::int64_t g = 0; g < window.groups; ++g) {
    for (const Position& p : positions) {
      for (std::int64_t o = 0; o < window.outputs; ++o) {
        const std::int64_t channel = g * window.outputs + o;
        out.push_back(
            data[((p.image * value.size(1) + channel) * value.size(2) + p.row) * value.size(3) +
                 p.column]);
      }
    }
  }
  return out;
}

// [groups, samples, channels of a group × kernel elements] of a layer's input, zeros around it.
std::vector<float> gather_windows(const at::Tensor& value, const Window& window,
                                  const std::vector<Position>& positions) {
  std::vector<float> out;
  out.reserve(positions.size() * to_size(window.groups * window.inputs()));
  const float* data = value.const_data_ptr<float>();
  const std::int64_t height = value.size(2);
  const std::int64_t width = value.size(3);
  for (std::int64_t g = 0; g < window.groups; ++g) {
    for (const Position& p : positions) {
      for (std::int64_t c = 0; c < window.channels; ++c) {
        const float* plane =
            data + (p.image * value.size(1) + g * window.channels + c) * height * width;
        for (int ky = 0; ky < window.kernel[0]; ++ky) {
          const std::int64_t y =
              p.row * window.stride[0] - window.padding.top + ky * window.dilation[0];
          for (int kx = 0; kx < window.kernel[1]; ++kx) {
            const std::int64_t x =
                p.column * window.stride[1] - window.padding.left + kx * window.dilation[1];
            const bool inside = y >= 0 && y < height && x >= 0 && x < width;
            out.push_back(inside ? plane[y * width + x] : 0.0f);
          }
        }
      }
    }
  }
  return out;
}

// What the full-precision network says of one layer.
struct Reference {
  std::vector<Moments> moments;  // of its output
  std::vector<Position> positions;
  std::vector<float> targets;
};

class Refiner {
 public:
  Refiner(const config::TrialConfig& config, const CalibrationImages& images, Prepared& prepared)
      : config_(config),
        prepared_(prepared),
        graph_(prepared.graph()),
        images_(images),
        count_(images_at_once(graph_, static_cast<std::int64_t>(images.positions.size()))),
        quantized_(quantized_parameters(prepared)),
        fused_relu_(graph::fused_relu(graph_)),
        outputs_(graph_.nodes().size()) {
    const auto& sites = prepared.sites.sites;
    for (std::size_t i = 0; i < sites.size(); ++i) {
      if (sites[i].place == Place::weight) site_of_[sites[i].node] = i;
      if (sites[i].place == Place::output)
        outputs_[to_size(sites[i].node)] = &prepared.quantizers[i];
    }
  }

  void run() {
    const exec::Inference full(graph_, prepared_.network->weights, at::kCPU);
    feed(full, [this](NodeId node, at::Tensor& value) { note(node, value); });
    // On the processor the executor reads the parameters where they lie: a weight that changes
    // before its layer is computed is the one that counts.
    const exec::Inference quantized(graph_, quantized_, at::kCPU, performed_relus(prepared_));
    feed(quantized, [this](NodeId node, at::Tensor& value) { visit(node, value); });
  }

 private:
  void feed(const exec::Inference& network, const exec::OutputHook& hook) {
    const ImageSequence all = images_.sequence();
    const ImageSequence first{all.images, all.positions.first(to_size(count_)), all.normalization};
    const auto run = [&](std::span<const std::int64_t> positions, const at::Tensor& batch) {
      fed_ = positions;
      network.run(batch, hook);
    };
    for_each_batch(first, count_, network.device(), run, {});
  }

  bool is_refined(NodeId node) const { return site_of_.contains(node); }

  void note(NodeId node, const at::Tensor& value) {
    if (!is_refined(node)) return;
    Reference& reference = references_[node];
    if (config_.quant.batch_norm_reestimation) reference.moments = channel_moments(value);
    if (!config_.quant.adaptive_rounding) return;
    reference.positions = draw_positions(graph_.node(node), node, count_, config_.seed);
    reference.targets = gather_targets(value, window_of(graph_.node(node)), reference.positions);
  }

  void visit(NodeId node, at::Tensor& value) {
    if (config_.quant.batch_norm_reestimation && is_refined(node)) reestimate(node, value);
    if (const Quantizer* quantizer = outputs_[to_size(node)]) {
      // An output that is its input under another name (flatten, dropout) may have other readers.
      if (value.storage().use_count() > 1) value = value.clone();
      quantizer->apply(value, fed_);
    }
    if (!config_.quant.adaptive_rounding) return;
    for (const NodeId user : graph_.users(node)) {
      if (!is_refined(user)) continue;
      // The layers of a branch may be computed much later; what they read is taken now.
      windows_[user] =
          gather_windows(value, window_of(graph_.node(user)), references_.at(user).positions);
    }
    // Every layer that comes next has its input by now.
    const NodeId next = node + 1;
    if (next <= graph_.output() && is_refined(next)) adapt(next);
  }

  std::span<float> weight_of(NodeId node) {
    return quantized_.values(graph_.node(node).name + ".weight");
  }

  // Biases of the layer as it runs; nothing where it has none.
  std::span<float> bias_of(NodeId node) {
    const std::string name = graph_.node(node).name + ".bias";
    return quantized_.contains(name) ? quantized_.values(name) : std::span<float>();
  }

  void adapt(NodeId node) {
    const std::size_t index = site_of_.at(node);
    const QuantizerSite& site = prepared_.sites.sites[index];
    const std::string name = graph_.node(node).name + ".weight";
    const std::span<const float> full = prepared_.network->weights.values(name);
    const Window window = window_of(graph_.node(node));
    const std::int64_t channels = graph_.node(node).output.channels;
    QuantizedWeight changed = *prepared_.weights[index];
    changed.quantizer.corrections.clear();

    RoundingProblem problem;
    problem.groups = window.groups;
    problem.outputs = window.outputs;
    problem.inputs = window.inputs();
    problem.samples = static_cast<std::int64_t>(references_.at(node).positions.size());
    problem.x = std::move(windows_.at(node));
    problem.target = std::move(references_.at(node).targets);
    problem.bias.assign(to_size(channels), 0.0f);
    std::ranges::copy(bias_of(node), problem.bias.begin());
    problem.relu = fused_relu_[to_size(node)];
    problem.weight.assign(full.begin(), full.end());
    problem.quantizer = &changed.quantizer;
    const RoundingSettings settings{config_.quant.adaptive_rounding_steps, config_.seed,
                                    kBatchStream + static_cast<std::uint32_t>(node)};
    changed.values = adapt_rounding(problem, settings).values;
    windows_.erase(node);
    if (site.bias_correction != "none") {
      changed.quantizer.corrections =
          quant::weight_corrections(site.bias_correction, problem.weight, changed.values, channels);
      quant::apply_corrections(changed.quantizer.corrections, changed.values);
    }
    std::ranges::copy(changed.values, weight_of(node).begin());
    replace(index, std::move(changed));
  }

  void reestimate(NodeId node, at::Tensor& value) {
    const std::vector<Moments>& wanted = references_.at(node).moments;
    const std::vector<Moments> found = channel_moments(value);
    const std::size_t index = site_of_.at(node);
    QuantizedWeight changed = *prepared_.weights[index];
    const std::span<float> bias = bias_of(node);
    if (bias.empty()) {
      throw ConfigError(
          fmt::format("quant.batch_norm_reestimation: layer '{}' has no bias to shift; its batch "
                      "norm has to be "
                      "folded (quant.fold_batch_norm)",
                      graph_.node(node).name));
    }
    changed.bias.assign(bias.begin(), bias.end());
    std::vector<double> factors;
    for (std::size_t c = 0; c < wanted.size(); ++c) {
      const bool constant = found[c].deviation <= 0 || wanted[c].deviation <= 0;
      const double factor = constant ? 1 : wanted[c].deviation / found[c].deviation;
      const double shift = wanted[c].mean - factor * found[c].mean;
      changed.bias[c] = static_cast<float>(factor * changed.bias[c] + shift);
      factors.push_back(factor);
      at::Tensor plane = value.select(1, static_cast<std::int64_t>(c));
      plane.mul_(factor).add_(shift);
    }
    quant::rescale(factors, changed.values);
    changed.quantizer.rescales = std::move(factors);
    std::ranges::copy(changed.values, weight_of(node).begin());
    std::ranges::copy(changed.bias, bias.begin());
    replace(index, std::move(changed));
  }

  void replace(std::size_t index, QuantizedWeight changed) {
    prepared_.weights[index] = std::make_shared<const QuantizedWeight>(std::move(changed));
    prepared_.quantizers[index] = prepared_.weights[index]->quantizer;
  }

  const config::TrialConfig& config_;
  Prepared& prepared_;
  const graph::Graph& graph_;
  const CalibrationImages& images_;
  std::int64_t count_;                 // of images, at once
  std::span<const std::int64_t> fed_;  // their positions
  graph::Parameters quantized_;
  std::vector<bool> fused_relu_;
  std::vector<const Quantizer*> outputs_;  // by node; nullptr: not quantized
  std::map<NodeId, std::size_t> site_of_;  // of weights, by layer
  std::map<NodeId, Reference> references_;
  std::map<NodeId, std::vector<float>> windows_;  // of layers still to come
};

}  // namespace

bool refines(const config::QuantConfig& quant) {
  return quant.adaptive_rounding || quant.batch_norm_reestimation;
}

void refine(const config::TrialConfig& config, const CalibrationImages& images, at::Device device,
            Prepared& prepared) {
  if (!device.is_cpu()) {
    throw EnvironmentError(
        "quant.weight.adaptive_rounding and quant.batch_norm_reestimation run on the processor "
        "alone: --device cpu");
  }
  Refiner(config, images, prepared).run();
}

}  // namespace bitsweep::ptq
