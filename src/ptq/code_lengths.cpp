#include "ptq/code_lengths.h"

#include <algorithm>
#include <map>

#include "data/order.h"
#include "exec/inference.h"
#include "ptq/evaluate.h"
#include "ptq/evaluation_images.h"
#include "quant/code_counts.h"
#include "quant/huffman.h"

namespace bitsweep::ptq {
namespace {

using graph::NodeId;
using quant::CodeCounts;
using quant::Place;
using quant::QuantizerSite;

// The mean over elements of what each tensor's codes need.
class Average {
 public:
  void add(const CodeCounts& counts) {
    const auto n = static_cast<double>(counts.total());
    sum_.entropy += n * counts.entropy();
    sum_.huffman += n * quant::huffman_bits(counts);
    elements_ += n;
  }
  std::optional<CodeLengths> get() const {
    if (elements_ == 0) return std::nullopt;
    return CodeLengths{sum_.entropy / elements_, sum_.huffman / elements_};
  }

 private:
  CodeLengths sum_;
  double elements_ = 0;
};

// Grids with no codes (an empty range of the kernel path) pass their input through.
bool has_codes(const Quantizer& quantizer) {
  return std::ranges::all_of(quantizer.grids,
                             [](const kernels::AffineGrid& grid) { return grid.scale > 0; });
}

std::map<NodeId, std::size_t> counted_outputs(const quant::SitePlan& plan) {
  std::map<NodeId, std::size_t> out;
  for (std::size_t i = 0; i < plan.sites.size(); ++i) {
    const QuantizerSite& site = plan.sites[i];
    if (site.place == Place::output) out[site.node] = i;
  }
  return out;
}

void add_codes(const Quantizer& quantizer, const at::Tensor& value, CodeCounts& counts) {
  const at::Tensor x = value.cpu();
  std::vector<std::int32_t> codes(static_cast<std::size_t>(x.numel()));
  quantizer.codes(x.const_data_ptr<float>(), codes.data(),
                  {x.size(0), x.size(1), x.size(2) * x.size(3)});
  counts.add(codes);
}

}  // namespace

std::optional<CodeLengths> weight_code_lengths(const Prepared& prepared) {
  Average average;
  for (std::size_t i = 0; i < prepared.weights.size(); ++i) {
    if (prepared.weights[i] == nullptr || !has_codes(prepared.quantizers[i])) continue;
    const graph::Node& node = prepared.graph().node(prepared.sites.sites[i].node);
    const std::span<const float> weight = prepared.network->weights.values(node.name + ".weight");
    std::vector<std::int32_t> codes(weight.size());
    const auto n = static_cast<std::int64_t>(weight.size());
    prepared.quantizers[i].codes(weight.data(), codes.data(),
                                 {1, node.output.channels, n / node.output.channels});
    CodeCounts counts;
    counts.add(codes);
    average.add(counts);
  }
  return average.get();
}

std::optional<CodeLengths> activation_code_lengths(const Prepared& prepared,
                                                   const config::TrialConfig& config,
                                                   data::ImageCache& cache, at::Device device) {
  const std::vector<QuantizerSite>& sites = prepared.sites.sites;
  const bool wanted = std::ranges::any_of(sites, [](const QuantizerSite& site) {
    return site.place == Place::output && site.quantizer == "mid_tread";
  });
  if (!wanted) return std::nullopt;

  const std::map<NodeId, std::size_t> outputs = counted_outputs(prepared.sites);
  std::map<NodeId, CodeCounts> counts;
  std::span<const std::int64_t> fed;
  const auto hook = [&](NodeId id, at::Tensor& value) {
    const auto found = outputs.find(id);
    if (found == outputs.end()) return;
    const QuantizerSite& site = sites[found->second];
    const Quantizer quantizer =
        prepared.dynamic ? activation_quantizer(site, statistics(value, detail_for(site),
                                                                 prepared.graph().node(id).name))
                         : prepared.quantizers[found->second];
    if (site.quantizer == "mid_tread") add_codes(quantizer, value, counts[id]);
    if (value.storage().use_count() > 1) value = value.clone();
    quantizer.apply(value, fed);
  };

  const data::Dataset& dataset = data::datasets().get(config.data.name);
  const auto images = evaluation_images(config, dataset, cache);
  std::vector<std::int64_t> positions =
      config.eval.shuffle
          ? data::drawn_order(images->count(), config.seed, data::OrderStream::evaluation)
          : data::file_order(images->count());
  if (positions.size() > kCountedImages) positions.resize(kCountedImages);
  const data::Normalization normalization = data::normalization(config.data.normalize, dataset);
  const graph::Parameters quantized = quantized_parameters(prepared);
  const exec::Inference network(prepared.graph(), quantized, device, performed_relus(prepared));
  const auto run = [&](std::span<const std::int64_t> part, const at::Tensor& batch) {
    fed = part;
    network.run(batch, hook);
  };
  for_each_batch({*images, positions, normalization}, config.eval.batch_size, device, run, {});

  Average average;
  for (const auto& [id, counted] : counts) average.add(counted);
  return average.get();
}

}  // namespace bitsweep::ptq
