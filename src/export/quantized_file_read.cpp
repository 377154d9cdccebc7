#include <algorithm>
#include <nlohmann/json.hpp>

#include "export/graph_json.h"
#include "export/packing.h"
#include "export/quantized_file_names.h"
#include "export/tensor_bag.h"

namespace bitsweep::exporting {
namespace {

using kernels::AffineGrid;
using nlohmann::json;

kernels::Rounding rounding_of(const json& j) {
  return {kind_of<kernels::Ties>(kTies, j.at("ties")),
          kind_of<kernels::Scaling>(kScalings, j.at("scaling")),
          kind_of<kernels::ZeroPointOrder>(kZeroPointOrders, j.at("zero_point"))};
}

class Reader {
 public:
  explicit Reader(const SafetensorsFile& file) : file_(file) {}

  QuantizedNetwork run() {
    const json document = checked_document(file_, kQuantizedDocument);
    try {
      return read(document);
    } catch (const json::exception& error) {
      refuse("'{}' is not as expected: {}", kQuantizedDocument.entry, error.what());
    } catch (const ConfigError& error) {
      refuse("{}", error.what());
    }
  }

 private:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    throw DataError(fmt::format("{}: {}", file_.path().string(),
                                fmt::format(format, std::forward<Args>(args)...)));
  }

  QuantizedNetwork read(const json& document) const {
    QuantizedNetwork out;
    out.key = document.at("key");
    out.name = document.at("name");
    out.settings = document.at("settings");
    out.graph = graph_from_json(document.at("graph"));
    out.parameters = graph::Parameters(out.graph);
    out.skipped.resize(out.graph.nodes().size());
    for (const std::string name : document.at("performed_relus")) {
      out.skipped[static_cast<std::size_t>(node_of(out, name))] = true;
    }
    for (const json& weight : document.at("weights"))
      out.weights.push_back(read_weight(out, weight));
    for (const json& output : document.at("outputs"))
      out.outputs.push_back(read_output(out, output));
    for (const graph::TensorSpec& spec : out.parameters.specs()) {
      if (!has_codes(out, spec)) fill(out, spec.name, values_of<float>(file_, spec.name));
    }
    for (const WeightCodes& weight : out.weights) {
      const graph::Node& node = out.graph.node(weight.node);
      fill(out, node.name + ".weight", decode(weight, node.output.channels));
    }
    read_normalization(out.normalization);
    read_recorded(document.at("recorded"), out.recorded);
    return out;
  }

  graph::NodeId node_of(const QuantizedNetwork& network, const std::string& name) const {
    const graph::NodeId node = network.graph.find(name);
    if (node < 0) refuse("speaks of node '{}', which its graph does not have", name);
    return node;
  }

  void fill(QuantizedNetwork& network, const std::string& name,
            const std::vector<float>& values) const {
    const std::span<float> into = network.parameters.values(name);
    if (values.size() != into.size()) {
      refuse("tensor '{}' has {} values, its graph needs {}", name, values.size(), into.size());
    }
    std::ranges::copy(values, into.begin());
  }

  std::vector<int> read_bits(const std::string& prefix, std::int64_t channels) const {
    const auto bits = values_of<std::uint8_t>(file_, prefix + ".bits");
    if (bits.size() != 1 && static_cast<std::int64_t>(bits.size()) != channels) {
      refuse("tensor '{}.bits' has {} widths, expected 1 or {}", prefix, bits.size(), channels);
    }
    if (std::ranges::any_of(bits, [](int b) { return b > 16; })) {
      refuse("tensor '{}.bits' has a width above 16", prefix);
    }
    return {bits.begin(), bits.end()};
  }

  // A tensor of the same number of elements as there are grids.
  template <class T>
  std::vector<T> like(const std::string& name, std::size_t count) const {
    std::vector<T> out = values_of<T>(file_, name);
    if (out.size() != count) {
      refuse("tensor '{}' has {} values, expected {}", name, out.size(), count);
    }
    return out;
  }

  std::vector<AffineGrid> read_grids(const std::string& prefix, std::size_t count) const {
    const auto scale = like<float>(prefix + ".scale", count);
    const auto zero_point = like<float>(prefix + ".zero_point", count);
    const auto origin = like<float>(prefix + ".origin", count);
    const auto qmin = like<std::int32_t>(prefix + ".qmin", count);
    const auto qmax = like<std::int32_t>(prefix + ".qmax", count);
    std::vector<AffineGrid> out;
    for (std::size_t i = 0; i < count; ++i) {
      out.push_back({scale[i], zero_point[i], qmin[i], qmax[i], origin[i]});
    }
    return out;
  }

  std::vector<std::vector<float>> read_centroids(const std::string& prefix,
                                                 std::size_t tables) const {
    const auto counts = like<std::int32_t>(prefix + ".centroid_count", tables);
    const auto all = values_of<float>(file_, prefix + ".centroids");
    std::vector<std::vector<float>> out;
    std::size_t next = 0;
    for (const std::int32_t count : counts) {
      if (count < 1 || static_cast<std::size_t>(count) > all.size() - next) {
        refuse("tensor '{}.centroid_count' has {}, of {} centroids", prefix, count, all.size());
      }
      const auto first = all.begin() + static_cast<std::ptrdiff_t>(next);
      out.emplace_back(first, first + count);
      next += static_cast<std::size_t>(count);
    }
    if (next != all.size()) {
      refuse("tensor '{}.centroids' has {} values, expected {}", prefix, all.size(), next);
    }
    return out;
  }

  // From 0 as stored to those of the grids; each has to be one that its grid or table has.
  void place_codes(const std::string& prefix, WeightCodes& weight) const {
    const std::size_t per_part = weight.codes.size() / weight.bits.size();
    for (std::size_t i = 0; i < weight.codes.size(); ++i) {
      const std::size_t part = i / per_part;
      std::int32_t largest = 0;
      if (weight.centroids.empty()) {
        weight.codes[i] += weight.grids[part].qmin;
        largest = weight.grids[part].qmax;
      } else {
        largest = static_cast<std::int32_t>(weight.centroids[part].size()) - 1;
      }
      if (weight.codes[i] > largest) {
        refuse("code {} of '{}' is {}, above the largest of its grid, {}", i, prefix,
               weight.codes[i], largest);
      }
    }
  }

  WeightCodes read_weight(const QuantizedNetwork& network, const json& j) const {
    WeightCodes out;
    const std::string layer = j.at("layer");
    out.node = node_of(network, layer);
    const graph::Node& node = network.graph.node(out.node);
    const std::string prefix = layer + ".weight";
    if (!network.parameters.contains(prefix)) refuse("layer '{}' has no weight", layer);
    out.quantizer = j.at("quantizer");
    out.bits = read_bits(prefix, node.output.channels);
    if (file_.find(prefix + ".centroids") != nullptr) {
      out.centroids = read_centroids(prefix, out.bits.size());
    } else {
      out.grids = read_grids(prefix, out.bits.size());
    }
    const auto elements = static_cast<std::int64_t>(network.parameters.values(prefix).size());
    const PackedLayout layout{out.bits, elements / static_cast<std::int64_t>(out.bits.size())};
    const auto packed = values_of<std::uint8_t>(file_, prefix + ".packed");
    out.codes = unpack(std::as_bytes(std::span(packed)), layout,
                       fmt::format("{}: tensor '{}.packed'", file_.path().string(), prefix));
    place_codes(prefix, out);
    if (file_.find(prefix + ".correction_scale") != nullptr) {
      const auto channels = static_cast<std::size_t>(node.output.channels);
      const auto scale = like<double>(prefix + ".correction_scale", channels);
      const auto shift = like<double>(prefix + ".correction_shift", channels);
      for (std::size_t c = 0; c < channels; ++c) out.corrections.push_back({scale[c], shift[c]});
    }
    if (file_.find(prefix + ".rescale") != nullptr) {
      out.rescales =
          like<double>(prefix + ".rescale", static_cast<std::size_t>(node.output.channels));
    }
    if (const auto it = j.find("normalized"); it != j.end()) {
      out.normalized = kernels::WeightQuantizer{
          kind_of<kernels::WeightQuantizerKind>(kNormalized, it->at("kind")), it->at("bits")};
      out.mean_abs = like<double>(prefix + ".mean_abs", 1).front();
    }
    return out;
  }

  OutputGrid read_output(const QuantizedNetwork& network, const json& j) const {
    OutputGrid out;
    const std::string name = j.at("node");
    out.node = node_of(network, name);
    const std::string prefix = name + ".output";
    const std::int64_t channels = network.graph.node(out.node).output.channels;
    out.quantizer = j.at("quantizer");
    out.half_range = j.at("half_range");
    out.rounding = rounding_of(j.at("rounding"));
    out.bits = read_bits(prefix, channels);
    out.grids = read_grids(prefix, out.bits.size());
    const auto lower = like<float>(prefix + ".range_lower", out.bits.size());
    const auto length = like<float>(prefix + ".range_length", out.bits.size());
    for (std::size_t i = 0; i < lower.size(); ++i) out.ranges.push_back({lower[i], length[i]});
    if (file_.find(prefix + ".positive_shift") != nullptr) {
      out.positive_shifts =
          like<double>(prefix + ".positive_shift", static_cast<std::size_t>(channels));
    }
    if (const auto it = j.find("clamp"); it != j.end()) {
      const auto values = like<float>(prefix + ".clamp", 3);
      out.clamp = OutputClamp{{kind_of<kernels::ClampQuantizerKind>(kClamps, it->at("kind")),
                               it->at("bits"), values[0], values[1]},
                              values[2]};
    }
    return out;
  }

  void read_normalization(data::Normalization& out) const {
    const auto values = like<float>(kInputValues, out.value.size() * out.value[0].size());
    for (std::size_t c = 0; c < out.value.size(); ++c) {
      std::ranges::copy_n(values.begin() + static_cast<std::ptrdiff_t>(c * out.value[c].size()),
                          static_cast<std::ptrdiff_t>(out.value[c].size()), out.value[c].begin());
    }
    const auto source = like<std::int32_t>(kInputSource, out.source.size());
    for (std::size_t c = 0; c < source.size(); ++c) {
      if (source[c] < 0 || source[c] > 2) {
        refuse("'{}' names channel {} of the image, which has 3", kInputSource, source[c]);
      }
      out.source[c] = source[c];
    }
  }

  static void read_recorded(const json& j, Recorded& out) {
    out.images = j.at("images");
    out.correct = j.at("correct");
    out.top1 = j.at("top1");
    out.top5 = j.at("top5");
    out.loss = j.at("loss");
    out.bitmap_sha256 = j.at("bitmap_sha256");
    out.logits_sha256 = j.at("logits_sha256");
    out.fingerprint = j.at("fingerprint");
  }

  const SafetensorsFile& file_;
};

}  // namespace

bool is_quantized_file(const SafetensorsFile& file) {
  return file.metadata().contains(std::string(kQuantizedDocument.entry));
}

QuantizedNetwork read_quantized(const SafetensorsFile& file) { return Reader(file).run(); }

QuantizedNetwork read_quantized(const std::filesystem::path& path) {
  return read_quantized(SafetensorsFile::read(path));
}

}  // namespace bitsweep::exporting
