#include <unistd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fstream>
#include <limits>
#include <random>

#include "core/error.h"
#include "core/file.h"
#include "graph/count.h"
#include "models/model.h"
#include "models/onnx_integers.h"
#include "models/onnx_network.h"

using namespace bitsweep;
using namespace bitsweep::models;
using Catch::Matchers::ContainsSubstring;
namespace fs = std::filesystem;

namespace {

fs::path file(const std::string& name) { return fs::path(BITSWEEP_ONNX_FILES) / name; }

config::ModelConfig config_of(const std::string& name) {
  config::ModelConfig out;
  out.file = file(name).string();
  return out;
}

}  // namespace

TEST_CASE("a network that PyTorch exported has its layers, names and weights") {
  const OnnxNetwork network = read_onnx(file("network.onnx"));
  const graph::Graph& graph = network.graph;
  CHECK(graph.name() == "network.onnx");
  CHECK(graph.node(0).output == graph::Shape{3, 32, 32});
  CHECK(graph.num_classes() == 10);
  const auto* depthwise = graph.node(graph.find("depthwise")).as<graph::Convolution>();
  REQUIRE(depthwise != nullptr);
  CHECK(depthwise->groups == 8);
  const auto* right = graph.node(graph.find("right")).as<graph::Convolution>();
  REQUIRE(right != nullptr);
  CHECK(right->kernel == std::array{3, 1});
  CHECK(right->dilation == std::array{2, 1});
  CHECK(right->padding == graph::Padding{2, 0, 2, 0});
  CHECK(graph.node(graph.find("bn2")).as<graph::BatchNorm>()->eps > 9e-4);
  CHECK(network.weights.values("bn2.weight")[3] == 1.0F);  // shared with bn1 in the file
  CHECK(graph.node(graph.find("fc")).as<graph::Linear>()->in_features == 16);
  CHECK(graph.node(graph.output()).name == "fc");
  CHECK(graph::count(graph).total.parameters == 4738);
}

TEST_CASE("batch norms that the exporter folded leave convolutions with biases") {
  const OnnxNetwork network = read_onnx(file("folded.onnx"));
  CHECK(network.graph.find("bn1") == -1);
  const auto* convolution =
      network.graph.node(network.graph.find("conv1.Conv")).as<graph::Convolution>();
  REQUIRE(convolution != nullptr);
  CHECK(convolution->bias);
}

TEST_CASE("a slice takes the positions that ONNX says, in its order") {
  using Positions = std::vector<std::int64_t>;
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  CHECK(sliced(5, 0, kMost, 2) == Positions{0, 2, 4});
  CHECK(sliced(5, 1, -1, 1) == Positions{1, 2, 3});
  CHECK(sliced(3, -1, -kMost, -1) == Positions{2, 1, 0});
  CHECK(sliced(3, 2, 0, -1) == Positions{2, 1});
  CHECK(sliced(3, 5, kMost, 1).empty());
  CHECK(sliced(0, 0, kMost, 1).empty());
}

TEST_CASE("a shortcut without weights and computed shapes become layers") {
  for (const char* name : {"shortcut.onnx", "shortcut_folded.onnx"}) {
    CAPTURE(name);
    const graph::Graph graph = read_onnx(file(name)).graph;
    const auto shortcut = std::ranges::find_if(graph.nodes(), [](const graph::Node& node) {
      return node.as<graph::ZeroPadShortcut>() != nullptr;
    });
    REQUIRE(shortcut != graph.nodes().end());
    const auto& what = *shortcut->as<graph::ZeroPadShortcut>();
    CHECK(what.stride == 2);
    CHECK(what.channels_before == 4);
    CHECK(what.channels_after == 4);
    CHECK(shortcut->output == graph::Shape{16, 16, 16});
    const graph::Node& mean =
        graph.node(graph.node(graph.node(graph.output()).inputs[0]).inputs[0]);
    CHECK(mean.as<graph::GlobalAveragePool>() != nullptr);
  }
}

TEST_CASE("padding, products and sums of other exporters become layers") {
  const OnnxNetwork network = read_onnx(file("padded.onnx"));
  const auto* stem = network.graph.node(network.graph.find("stem")).as<graph::Convolution>();
  REQUIRE(stem != nullptr);
  CHECK(stem->padding == graph::Padding{0, 0, 1, 1});
  const auto* dense = network.graph.node(network.graph.find("dense")).as<graph::Linear>();
  REQUIRE(dense != nullptr);
  CHECK(dense->bias);
  CHECK(network.graph.output() == network.graph.find("dense"));
}

TEST_CASE("a hard sigmoid has the slope that its node says, 1/5 where it says none") {
  const graph::Graph graph = read_onnx(file("hard_sigmoids.onnx")).graph;
  const auto kind = [&](const char* name) {
    return graph.node(graph.find(name)).as<graph::Activation>()->kind;
  };
  CHECK(kind("fifth") == graph::ActivationKind::hard_sigmoid_fifth);
  CHECK(kind("sixth") == graph::ActivationKind::hard_sigmoid);
}

TEST_CASE("an operator or a use of one that the graph has not is refused with its node") {
  const auto [name, what] = GENERATE(table<const char*, const char*>({
      {"unknown.onnx",
       "node '/1/ConvTranspose' (ConvTranspose): ConvTranspose is not among the "
       "operators that are known: Add, AveragePool, BatchNormalization, Clip"},
      {"transposed.onnx", "node 'turn' (Transpose)"},
      {"clipped.onnx", "node 'clip' (Clip): clips to -1 … 1"},
      {"narrow.onnx", "node 'stem' (Conv)"},
  }));
  CAPTURE(name);
  CHECK_THROWS_AS(read_onnx(file(name)), ConfigError);
  CHECK_THROWS_WITH(
      read_onnx(file(name)),
      ContainsSubstring(what) && ContainsSubstring(std::string("model.file ") + name));
}

TEST_CASE("weights of another type, with NaN or in another file are refused by name") {
  const auto [name, what] = GENERATE(table<const char*, const char*>({
      {"half.onnx", "tensor 'w' is of ONNX type 10, expected float32"},
      {"nan.onnx", "tensor 'w' has nan at index 0"},
      {"external.onnx", "tensor 'w' lies in another file"},
  }));
  CAPTURE(name);
  CHECK_THROWS_AS(read_onnx(file(name)), DataError);
  CHECK_THROWS_WITH(read_onnx(file(name)), ContainsSubstring(what) && ContainsSubstring(name));
}

TEST_CASE("a damaged file is refused or read, never worse") {
  const std::vector<std::byte> whole = read_binary_file(file("network.onnx"));
  const fs::path path = fs::temp_directory_path() / fmt::format("bitsweep-{}.onnx", ::getpid());
  const auto read = [&](std::span<const std::byte> bytes) {
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    try {
      static_cast<void>(read_onnx(path));
      return true;
    } catch (const DataError&) {
      return false;
    } catch (const ConfigError&) {
      return false;
    }
  };
  CHECK(read(whole));
  for (std::size_t size = 0; size < whole.size(); size += 1 + whole.size() / 101) {
    CAPTURE(size);
    CHECK_FALSE(read(std::span(whole).first(size)));
  }
  std::mt19937 random(1);
  int refused = 0;
  for (int round = 0; round < 1500; ++round) {
    std::vector<std::byte> bytes = whole;
    // Half of the rounds strike the description of the network, which follows no order.
    const std::size_t range = round % 2 == 0 ? bytes.size() : 3000;
    for (int flips = 1 + round % 3; flips > 0; --flips) {
      bytes[random() % range] ^= static_cast<std::byte>(1U << random() % 8);
    }
    if (!read(bytes)) ++refused;
  }
  CHECK(refused > 300);
  fs::remove(path);
}

TEST_CASE("model.file stands for a network by name, with outputs of its own number") {
  CHECK(build_model(config_of("network.onnx"), 10).num_classes() == 10);
  CHECK(input_shape(config_of("network.onnx")) == graph::Shape{3, 32, 32});
  CHECK_THROWS_WITH(build_model(config_of("network.onnx"), 100),
                    ContainsSubstring("has 10 outputs, expected 100"));
}
