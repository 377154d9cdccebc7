#include "export/quantized_file.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <map>

#include "core/error.h"
#include "core/file.h"
#include "export/graph_json.h"
#include "export/packing.h"
#include "export/scaled_integer.h"
#include "small_network.h"

namespace bitsweep::exporting {
namespace {

namespace fs = std::filesystem;

// A folder that goes with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "bitsweep-export-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() { fs::remove_all(path_); }
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

std::vector<std::byte> written(const QuantizedNetwork& network) {
  const TemporaryFolder folder;
  write_quantized(folder / "net.safetensors", network);
  return read_binary_file(folder / "net.safetensors");
}

QuantizedNetwork parsed(std::vector<std::byte> content) {
  return read_quantized(SafetensorsFile::parse(std::move(content), "net.safetensors"));
}

bool same(const kernels::AffineGrid& a, const kernels::AffineGrid& b) {
  return a.scale == b.scale && a.zero_point == b.zero_point && a.qmin == b.qmin &&
         a.qmax == b.qmax && a.origin == b.origin;
}

TEST_CASE("a graph comes back from its JSON with every attribute") {
  const graph::Graph graph = small_graph();
  const nlohmann::json json = graph_to_json(graph);
  const graph::Graph back = graph_from_json(nlohmann::json::parse(json.dump()));
  CHECK(graph_to_json(back) == json);
  CHECK(back.nodes().size() == graph.nodes().size());
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    CHECK(back.nodes()[i].output == graph.nodes()[i].output);
    CHECK(back.nodes()[i].attributes.index() == graph.nodes()[i].attributes.index());
  }
  CHECK(back.node(back.find("conv1")).as<graph::Convolution>()->padding ==
        graph::Padding{0, 1, 1, 0});
}

TEST_CASE("an exported network comes back bit for bit") {
  const QuantizedNetwork network = small_network();
  const QuantizedNetwork back = parsed(written(network));
  CHECK(back.key == network.key);
  CHECK(back.name == network.name);
  CHECK(back.settings == network.settings);
  CHECK(back.skipped == network.skipped);
  CHECK(std::ranges::equal(back.parameters.flat(), network.parameters.flat()));
  CHECK(back.normalization.value == network.normalization.value);
  CHECK(back.normalization.source == network.normalization.source);
  REQUIRE(back.weights.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(back.weights[i].node == network.weights[i].node);
    CHECK(back.weights[i].bits == network.weights[i].bits);
    CHECK(back.weights[i].codes == network.weights[i].codes);
    CHECK(std::ranges::equal(back.weights[i].grids, network.weights[i].grids, same));
    REQUIRE(back.weights[i].corrections.size() == network.weights[i].corrections.size());
  }
  CHECK(back.weights[0].corrections[1].scale == 1.25);
  REQUIRE(back.outputs.size() == 2);
  CHECK(back.outputs[0].half_range);
  CHECK(back.outputs[0].rounding == network.outputs[0].rounding);
  CHECK(back.outputs[1].rounding == network.outputs[1].rounding);
  CHECK(std::ranges::equal(back.outputs[0].grids, network.outputs[0].grids, same));
  CHECK(back.outputs[0].positive_shifts == network.outputs[0].positive_shifts);
  CHECK(back.recorded.bitmap_sha256 == network.recorded.bitmap_sha256);
  CHECK(back.recorded.fingerprint == network.recorded.fingerprint);
}

TEST_CASE("clamps and weights normalised by tanh come back") {
  QuantizedNetwork network = small_network();
  WeightCodes& weight = network.weights[1];
  weight.quantizer = "tanh_symmetric";
  weight.normalized = kernels::WeightQuantizer{kernels::WeightQuantizerKind::tanh_symmetric, 6};
  weight.grids = {{1.0F / 31, 0, -31, 31}};
  for (std::size_t i = 0; i < weight.codes.size(); ++i) {
    weight.codes[i] = static_cast<std::int32_t>(i % 63) - 31;
  }
  network.outputs[1].quantizer = "mpact";
  network.outputs[1].clamp = OutputClamp{{kernels::ClampQuantizerKind::mpact, 8, 1, 1}, 5.75F};
  const QuantizedNetwork back = parsed(written(network));
  CHECK(back.weights[1].normalized->kind == kernels::WeightQuantizerKind::tanh_symmetric);
  CHECK(back.weights[1].codes == weight.codes);
  CHECK(decode(back.weights[1], 5)[1] == -30.0F / 31.0F);
  CHECK(back.outputs[1].clamp->quantizer.kind == kernels::ClampQuantizerKind::mpact);
  CHECK(back.outputs[1].clamp->alpha == 5.75F);
}

// conv1 re-estimated, fc on tables of different lengths.
QuantizedNetwork clustered_network() {
  QuantizedNetwork network = small_network();
  network.weights[0].rescales = {1, 1.5, 0.75, 2};
  WeightCodes& fc = network.weights[1];
  fc.quantizer = "kmeans";
  fc.grids.clear();
  fc.bits.assign(5, 2);
  fc.centroids = {{-1, 0.5F, 2, 3}, {0.25F}, {-2, 2}, {-0.1F, 0, 0.1F, 0.3F}, {1, 2, 3, 5}};
  fc.corrections.assign(5, {1, 0.125});
  for (std::size_t i = 0; i < fc.codes.size(); ++i) {
    fc.codes[i] = static_cast<std::int32_t>(i % fc.centroids[i / 11].size());
  }
  for (const WeightCodes& weight : network.weights) {
    const graph::Node& node = network.graph.node(weight.node);
    std::ranges::copy(decode(weight, node.output.channels),
                      network.parameters.values(node.name + ".weight").begin());
  }
  return network;
}

TEST_CASE("weights on centroids, and rescaled ones, come back and take what the report says") {
  const QuantizedNetwork network = clustered_network();
  const auto file = SafetensorsFile::parse(written(network), "net.safetensors");
  const QuantizedNetwork back = read_quantized(file);
  CHECK(back.weights[0].rescales == network.weights[0].rescales);
  CHECK(back.weights[1].centroids == network.weights[1].centroids);
  CHECK(back.weights[1].codes == network.weights[1].codes);
  CHECK(std::ranges::equal(back.parameters.flat(), network.parameters.flat()));
  const std::span<const float> fc = network.parameters.values("fc.weight");
  CHECK(fc[1] == 0.625F);    // centroid 0.5, shifted
  CHECK(fc[22] == -1.875F);  // the third table
  const std::vector<LayerSize> sizes = layer_sizes(network);
  CHECK(sizes[2].packed_bytes == (55 * 2 + 7) / 8);
  CHECK(sizes[2].bits == 2);
  for (const LayerSize& size : {sizes[0], sizes[2]}) {
    CAPTURE(size.layer);
    std::int64_t beside = 0;
    for (const TensorInfo& tensor : file.tensors()) {
      if (!tensor.name.starts_with(size.layer + ".weight.") || tensor.name.ends_with(".packed")) {
        continue;
      }
      beside += static_cast<std::int64_t>(tensor.end - tensor.begin);
    }
    CHECK(beside == size.grid_bytes);
  }
}

TEST_CASE("a code beyond its table of centroids is refused with its place") {
  QuantizedNetwork network = clustered_network();
  network.weights[1].codes[12] = 1;  // its table has one value
  CHECK_THROWS_MATCHES(parsed(written(network)), DataError,
                       Catch::Matchers::MessageMatches(Catch::Matchers::ContainsSubstring(
                           "code 12 of 'fc.weight' is 1, above the largest of its grid, 0")));
}

TEST_CASE("a correction and a rescale are one factor and one shift") {
  const QuantizedNetwork network = clustered_network();
  const quant::ChannelCorrection one = correction_of(network.weights[0], 1);
  CHECK(one.scale == 1.5 * 1.25);
  CHECK(one.shift == 1.5 * 0.01);
}

TEST_CASE("the same network gives the same bytes") {
  CHECK(written(small_network()) == written(small_network()));
}

TEST_CASE("codes in the file take what the size report says") {
  const QuantizedNetwork network = small_network();
  const auto file = SafetensorsFile::parse(written(network), "net.safetensors");
  const std::vector<LayerSize> sizes = layer_sizes(network);
  REQUIRE(sizes.size() == 3);
  CHECK(sizes[0].packed_bytes == (27 * (8 + 4 + 0 + 3) + 7) / 8);
  CHECK(sizes[1].packed_bytes == sizes[1].float_bytes);  // conv2 stays in float32
  CHECK(sizes[2].packed_bytes == (55 * 6 + 7) / 8);
  for (const LayerSize& size : {sizes[0], sizes[2]}) {
    std::map<std::string, std::int64_t> bytes;
    for (const TensorInfo& tensor : file.tensors()) {
      if (!tensor.name.starts_with(size.layer + ".weight.")) continue;
      bytes[tensor.name.ends_with(".packed") ? "packed" : "grids"] +=
          static_cast<std::int64_t>(tensor.end - tensor.begin);
    }
    CHECK(bytes["packed"] == size.packed_bytes);
    CHECK(bytes["grids"] == size.grid_bytes);
  }
}

TEST_CASE("an exported file with any one bit flipped is refused with its name") {
  const std::vector<std::byte> good = written(small_network());
  REQUIRE_NOTHROW(parsed(good));
  std::size_t tried = 0;
  // Every byte of the start, then a prime step, so that header, document and data are all hit.
  for (std::size_t at = 0; at < good.size(); at += at < 64 ? 1 : 61) {
    std::vector<std::byte> bad = good;
    bad[at] ^= std::byte{1} << (at % 8);
    INFO("byte " << at << " of " << good.size());
    CHECK_THROWS_MATCHES(
        parsed(std::move(bad)), DataError,
        Catch::Matchers::MessageMatches(Catch::Matchers::StartsWith("net.safetensors: ")));
    ++tried;
  }
  CHECK(tried > 200);
}

TEST_CASE("a flipped byte of data is placed: tensor and bytes") {
  std::vector<std::byte> bad = written(small_network());
  const auto file = SafetensorsFile::parse(bad, "net.safetensors");
  const TensorInfo* codes = file.find("conv1.weight.packed");
  REQUIRE(codes != nullptr);
  const std::size_t begin = file.data_begin() + codes->begin;
  bad[begin + 3] ^= std::byte{0x10};
  CHECK_THROWS_MATCHES(
      parsed(bad), DataError,
      Catch::Matchers::MessageMatches(Catch::Matchers::ContainsSubstring(fmt::format(
          "tensor 'conv1.weight.packed', bytes {} to {}", begin, file.data_begin() + codes->end))));
}

TEST_CASE("a truncated exported file is refused with a byte offset, wherever it ends") {
  const std::vector<std::byte> good = written(small_network());
  for (std::size_t size = 0; size < good.size(); size += size < 16 ? 1 : 97) {
    INFO(size << " of " << good.size() << " bytes");
    CHECK_THROWS_MATCHES(
        parsed({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}), DataError,
        Catch::Matchers::MessageMatches(Catch::Matchers::ContainsSubstring("byte ")));
  }
}

TEST_CASE("a newer schema_version is refused, and a plain weight file is no export") {
  const auto file = SafetensorsFile::parse(written(small_network()), "net.safetensors");
  CHECK(is_quantized_file(file));
  const TemporaryFolder folder;
  write_safetensors(folder / "plain.safetensors", {});
  const auto plain = SafetensorsFile::read(folder / "plain.safetensors");
  CHECK_FALSE(is_quantized_file(plain));
  CHECK_THROWS_AS(read_quantized(plain), DataError);
}

TEST_CASE("an integer factor is within 2^-31 of its value") {
  for (const double value : {1.0, -1.0, 0.75, 1e-7, 123456.789, -3.0000000001, 0x1.fffffffffp5}) {
    const ScaledInteger scaled = scaled_integer(value);
    CHECK(std::abs(scaled.value() - value) <= std::abs(value) * 0x1p-31);
    CHECK(std::abs(static_cast<double>(scaled.mantissa)) >= 0x1p30);
  }
  CHECK(scaled_integer(0).mantissa == 0);
  CHECK(scaled_integer(1).mantissa == 1 << 30);
  CHECK(scaled_integer(1).exponent == -30);
}

// One output of a layer, from integers alone but for one last multiplication: the accumulator of
// codes plus offset · the sum of the window.
double integer_dot(const WeightCodes& weight, const IntegerCorrection& correction,
                   std::size_t channel, std::span<const std::int32_t> window) {
  const std::size_t per_channel = window.size();
  const auto zero = static_cast<std::int64_t>(weight.grids[channel].zero_point);
  std::int64_t accumulator = 0;
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < per_channel; ++i) {
    accumulator += (weight.codes[channel * per_channel + i] - zero) * window[i];
    sum += window[i];
  }
  const ScaledInteger& offset = correction.offset;
  // accumulator · 2^-exponent + mantissa · sum: whole numbers. 2^-exponent is a shift to the left.
  const int shift = std::min(-offset.exponent, 40);
  const std::int64_t whole =
      (accumulator << shift) +
      ((static_cast<std::int64_t>(offset.mantissa) * sum) >> (-offset.exponent - shift));
  return correction.step * std::ldexp(static_cast<double>(whole), -shift);
}

TEST_CASE("corrected weights in integers give what the corrected float weights give") {
  const QuantizedNetwork network = small_network();
  const WeightCodes& weight = network.weights[0];
  const auto corrections = integer_corrections(weight, 4);
  REQUIRE(corrections.size() == 4);
  const std::vector<float> values = decode(weight, 4);
  std::vector<std::int32_t> window;
  for (int i = 0; i < 27; ++i) window.push_back(i * 31 % 16);
  for (std::size_t c = 0; c < 4; ++c) {
    double expected = 0;
    for (std::size_t i = 0; i < 27; ++i) expected += double{values[c * 27 + i]} * window[i];
    INFO("channel " << c);
    // float32 weights, one rounding each, and a float32 step.
    CHECK(std::abs(integer_dot(weight, corrections[c], c, window) - expected) <
          1e-6 * std::max(1.0, std::abs(expected)));
  }
}

TEST_CASE("a shift of positive values is whole steps of the output's grid") {
  const auto shifts = integer_shifts(small_network().outputs[0]);
  REQUIRE(shifts.size() == 4);
  CHECK(std::abs(shifts[0].value() - 0.01 / (2.5F / 15.0F)) < 1e-7);
  CHECK(shifts[1].mantissa == 0);
  CHECK(shifts[2].value() < 0);
}

TEST_CASE("a weight without corrections on grids from zero needs no integer correction") {
  CHECK(integer_corrections(small_network().weights[1], 5).empty());
}

}  // namespace
}  // namespace bitsweep::exporting
