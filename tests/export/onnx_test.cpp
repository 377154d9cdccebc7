// What an ONNX export holds. That ONNX Runtime computes the same with it:
// tests/cli/export_test.cpp.
#include "export/onnx.h"

#include <onnx.pb.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "small_network.h"

namespace bitsweep::exporting {
namespace {

onnx::ModelProto written(const QuantizedNetwork& network) {
  std::string pattern = (std::filesystem::temp_directory_path() / "bitsweep-onnx-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  write_onnx(folder / "net.onnx", network);
  onnx::ModelProto model;
  REQUIRE(model.ParseFromString(read_text_file(folder / "net.onnx")));
  std::filesystem::remove_all(folder);
  return model;
}

std::map<std::string, onnx::TensorProto> initializers(const onnx::ModelProto& model) {
  std::map<std::string, onnx::TensorProto> out;
  for (const auto& tensor : model.graph().initializer()) out[tensor.name()] = tensor;
  return out;
}

int count(const onnx::ModelProto& model, const std::string& op) {
  return static_cast<int>(std::ranges::count_if(
      model.graph().node(), [&](const onnx::NodeProto& node) { return node.op_type() == op; }));
}

TEST_CASE("ONNX has no form for tables of centroids, and the sentence names the layer") {
  QuantizedNetwork network = small_network();
  WeightCodes& fc = network.weights[1];
  fc.quantizer = "kmeans";
  fc.grids.clear();
  fc.centroids = {{-1, 0, 1}};
  CHECK_THROWS_MATCHES(
      written(network), ConfigError,
      Catch::Matchers::MessageMatches(Catch::Matchers::StartsWith("layer 'fc'") &&
                                      Catch::Matchers::ContainsSubstring("--format safetensors")));
}

TEST_CASE("factors of re-estimated layers are part of ONNX's scales") {
  QuantizedNetwork network = small_network();
  const auto scale = [&] {
    return initializers(written(network)).at("conv1.weight.scale").raw_data();
  };
  const std::string before = scale();
  network.weights[0].rescales = {2, 2, 2, 2};
  const std::string after = scale();
  REQUIRE(before.size() == after.size());
  for (std::size_t i = 0; i + 4 <= before.size(); i += 4) {
    float one = 0, two = 0;
    std::memcpy(&one, before.data() + i, 4);
    std::memcpy(&two, after.data() + i, 4);
    CHECK(two == 2 * one);
  }
}

TEST_CASE("an ONNX export reads only values that it has, each written once") {
  const onnx::ModelProto model = written(small_network());
  CHECK(model.opset_import(0).version() == 21);
  std::set<std::string> known = {"images"};
  for (const auto& tensor : model.graph().initializer()) {
    CHECK(known.insert(tensor.name()).second);
  }
  for (const auto& node : model.graph().node()) {
    for (const auto& input : node.input()) {
      INFO(node.name() << " reads " << input);
      CHECK(known.contains(input));
    }
    for (const auto& output : node.output()) CHECK(known.insert(output).second);
  }
  CHECK(known.contains("logits"));
}

TEST_CASE("weights of an ONNX export are integers of the narrowest type that holds their codes") {
  QuantizedNetwork network = small_network();
  const auto before = initializers(written(network));
  CHECK(before.at("conv1.weight.codes").data_type() ==
        onnx::TensorProto::UINT8);  // 8, 4, 0 and 3 bits
  CHECK(before.at("fc.weight.codes").data_type() == onnx::TensorProto::UINT8);  // 6 bits
  CHECK(before.at("conv2.weight").data_type() == onnx::TensorProto::FLOAT);
  network.weights[1] = spread_codes(network.graph.find("fc"), 55, {4});
  const auto four = initializers(written(network)).at("fc.weight.codes");
  CHECK(four.data_type() == onnx::TensorProto::UINT4);
  CHECK(four.raw_data().size() == 28);  // two to a byte
  const auto first = static_cast<unsigned char>(four.raw_data()[0]);
  CHECK((first & 15) == network.weights[1].codes[0]);
  CHECK((first >> 4) == network.weights[1].codes[1]);
  for (std::int32_t& code : network.weights[1].codes) code -= 8;
  network.weights[1].grids = {{0.1F, 0, -8, 7}};
  CHECK(initializers(written(network)).at("fc.weight.codes").data_type() ==
        onnx::TensorProto::INT4);
  network.weights[1].grids = {{0.1F, 0, -31, 31}};
  CHECK(initializers(written(network)).at("fc.weight.codes").data_type() ==
        onnx::TensorProto::INT8);
}

TEST_CASE("outputs of an ONNX export whose codes do not fill their type are clipped") {
  const onnx::ModelProto model = written(small_network());
  // conv1: channels of 4, 4, 2 and 0 bits, clipped each to its own codes; the logits fill 8 bits.
  CHECK(count(model, "QuantizeLinear") == 2);
  CHECK(count(model, "Max") == 1);
  CHECK(count(model, "Min") == 1);
  CHECK(count(model, "Clip") == 0);
  CHECK(count(model, "Relu") == 0);  // performed by the quantizer before it
  const auto tensors = initializers(model);
  CHECK(tensors.at("conv1.output.zero_point").data_type() == onnx::TensorProto::UINT4);
  CHECK(tensors.at("fc.output.zero_point").data_type() == onnx::TensorProto::UINT8);
}

TEST_CASE("a channel that stays as it is has no ONNX form") {
  QuantizedNetwork network = small_network();
  network.outputs[0].grids[2].scale = 0;
  CHECK_THROWS_AS(written(network), ConfigError);
}

}  // namespace
}  // namespace bitsweep::exporting
