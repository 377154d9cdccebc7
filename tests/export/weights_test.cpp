#include "export/weights.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>

#include "core/error.h"
#include "export/name_map.h"

using namespace bitsweep;
using namespace bitsweep::exporting;
using Catch::Matchers::ContainsSubstring;

namespace {

// conv (2 channels, no bias) → batch norm → pool → linear with bias.
graph::Graph small_network() {
  graph::Graph g("small");
  auto x = g.add_input("input", {1, 4, 4});
  x = g.add("conv", graph::Convolution{.in_channels = 1, .out_channels = 2, .kernel = {3, 3}}, {x});
  x = g.add("bn", graph::BatchNorm{.features = 2}, {x});
  x = g.add("pool", graph::GlobalAveragePool{}, {x});
  g.add("linear", graph::Linear{.in_features = 2, .out_features = 3}, {x});
  return g;
}

// A weight file in the making: tensors by name, with their values kept alive.
struct WeightFile {
  struct Entry {
    DType dtype;
    std::vector<std::int64_t> shape;
    std::vector<std::byte> bytes;
  };
  std::map<std::string, Entry> entries;

  template <typename T>
  void set(const std::string& name, DType dtype, std::vector<std::int64_t> shape,
           const std::vector<T>& values) {
    const auto bytes = std::as_bytes(std::span(values));
    entries[name] = {dtype, std::move(shape), {bytes.begin(), bytes.end()}};
  }

  // Every tensor of `g`, with values 1, 2, 3 … over the whole network, names behind `prefix`.
  static WeightFile of(const graph::Graph& g, const std::string& prefix = "") {
    WeightFile out;
    float next = 1;
    for (const auto& spec : graph::tensor_specs(g)) {
      std::vector<float> values(static_cast<std::size_t>(spec.elements()));
      for (float& value : values) value = next++;
      out.set(prefix + spec.name, DType::f32, spec.shape, values);
    }
    return out;
  }

  void rename(const std::string& from, const std::string& to) {
    auto node = entries.extract(from);
    node.key() = to;
    entries.insert(std::move(node));
  }

  graph::Parameters load(const graph::Graph& g) const {
    const auto folder = std::filesystem::temp_directory_path() /
                        ("bitsweep_weights_test_" + std::to_string(std::random_device{}()));
    const auto path = folder / "w.safetensors";
    std::vector<TensorData> tensors;
    for (const auto& [name, entry] : entries) {
      tensors.push_back({name, entry.dtype, entry.shape, entry.bytes});
    }
    write_safetensors(path, tensors);
    const auto file = SafetensorsFile::read(path);
    std::filesystem::remove_all(folder);
    return load_weights(file, g);
  }

  std::string refusal(const graph::Graph& g) const {
    try {
      load(g);
    } catch (const DataError& error) {
      return error.what();
    }
    return "accepted";
  }
};

std::vector<float> counting(std::int64_t n) {
  std::vector<float> out(static_cast<std::size_t>(n));
  std::iota(out.begin(), out.end(), 1.0F);
  return out;
}

}  // namespace

TEST_CASE("load_weights fills every tensor of the network") {
  const auto g = small_network();
  const auto parameters = WeightFile::of(g).load(g);
  const auto flat = parameters.flat();
  CHECK(std::vector<float>(flat.begin(), flat.end()) ==
        counting(static_cast<std::int64_t>(flat.size())));
}

TEST_CASE("load_weights strips DataParallel's prefix and ignores batch counters") {
  const auto g = small_network();
  auto file = WeightFile::of(g, "module.");
  file.set("module.bn.num_batches_tracked", DType::i64, {}, std::vector<std::int64_t>{7});
  CHECK(file.load(g).values("linear.bias")[2] == 18 + 8 + 6 + 3);
}

TEST_CASE("load_weights reads Keras names") {
  const auto g = small_network();
  auto file = WeightFile::of(g);
  file.rename("conv.weight", "conv/kernel");
  file.rename("bn.weight", "bn/gamma");
  file.rename("bn.bias", "bn/beta");
  file.rename("bn.running_mean", "bn/moving_mean");
  file.rename("bn.running_var", "bn/moving_variance");
  file.rename("linear.weight", "linear/kernel");
  file.rename("linear.bias", "linear/bias");
  CHECK(file.load(g).values("bn.running_var")[1] == 18 + 8);
}

TEST_CASE("what save_weights writes, load_weights reads back bit for bit") {
  const auto g = small_network();
  const auto parameters = WeightFile::of(g).load(g);
  const auto folder = std::filesystem::temp_directory_path() /
                      ("bitsweep_weights_test_" + std::to_string(std::random_device{}()));
  save_weights(folder / "w.safetensors", parameters);
  const auto again = load_weights(folder / "w.safetensors", g);
  std::filesystem::remove_all(folder);
  CHECK(std::memcmp(again.flat().data(), parameters.flat().data(),
                    parameters.flat().size_bytes()) == 0);
}

TEST_CASE("a missing or surplus tensor is refused by name and shape") {
  const auto g = small_network();
  auto missing = WeightFile::of(g, "module.");
  missing.entries.erase("module.linear.weight");
  CHECK_THAT(missing.refusal(g), ContainsSubstring("w.safetensors: lacks") &&
                                     ContainsSubstring("'linear.weight' [3, 2]") &&
                                     ContainsSubstring("'small'"));
  auto surplus = WeightFile::of(g, "module.");
  surplus.set("module.head.weight", DType::f32, {2, 1}, std::vector<float>(2));
  CHECK_THAT(surplus.refusal(g), ContainsSubstring("'module.head.weight' [2, 1]") &&
                                     ContainsSubstring("does not have"));
  auto renamed = WeightFile::of(g);
  renamed.rename("conv.weight", "conv0.weight");
  CHECK_THAT(renamed.refusal(g), ContainsSubstring("lacks tensor 'conv.weight'") &&
                                     ContainsSubstring("'conv0.weight'"));
}

TEST_CASE("a transposed tensor is refused with both shapes") {
  const auto g = small_network();
  auto file = WeightFile::of(g);
  file.set("linear.weight", DType::f32, {2, 3}, std::vector<float>(6));
  CHECK_THAT(file.refusal(g),
             ContainsSubstring("'linear.weight' is [2, 3]") && ContainsSubstring("needs [3, 2]"));
}

TEST_CASE("NaN and infinity are refused with tensor and index") {
  const auto g = small_network();
  auto file = WeightFile::of(g);
  file.set("linear.weight", DType::f32, {3, 2},
           std::vector<float>{1, 2, 3, 4, std::numeric_limits<float>::quiet_NaN(), 6});
  CHECK_THAT(file.refusal(g), ContainsSubstring("'linear.weight' has nan at index 4 of 6"));
  file.set("linear.weight", DType::f32, {3, 2},
           std::vector<float>{-std::numeric_limits<float>::infinity(), 2, 3, 4, 5, 6});
  CHECK_THAT(file.refusal(g), ContainsSubstring("'linear.weight' has -inf at index 0 of 6"));
  // Larger than every float32.
  file.set("linear.weight", DType::f64, {3, 2}, std::vector<double>{1e300, 2, 3, 4, 5, 6});
  CHECK_THAT(file.refusal(g), ContainsSubstring("'linear.weight' has inf at index 0 of 6"));
}

TEST_CASE("int8 codes are scaled per tensor or per output channel, and refused without a scale") {
  const auto g = small_network();
  auto file = WeightFile::of(g);
  file.set("linear.weight", DType::i8, {3, 2}, std::vector<std::int8_t>{1, -2, 3, -4, 5, -128});
  CHECK_THAT(file.refusal(g),
             ContainsSubstring("'linear.weight'") && ContainsSubstring("'linear.weight_scale'"));

  const auto weights = [&] {
    const auto parameters = file.load(g);
    const auto values = parameters.values("linear.weight");
    return std::vector<float>(values.begin(), values.end());
  };
  file.set("linear.weight_scale", DType::f32, {1}, std::vector<float>{0.5F});
  CHECK(weights() == std::vector<float>{0.5F, -1, 1.5F, -2, 2.5F, -64});
  file.set("linear.weight_scale", DType::f32, {3}, std::vector<float>{1, 2, 0.25F});
  CHECK(weights() == std::vector<float>{1, -2, 6, -8, 1.25F, -32});
  file.set("linear.weight_scale", DType::f32, {2}, std::vector<float>{1, 2});
  CHECK_THAT(file.refusal(g), ContainsSubstring("F32 [2]") && ContainsSubstring("[1] or [3]"));
}

TEST_CASE("a scale without codes is a surplus tensor, and integers are no weights") {
  const auto g = small_network();
  auto file = WeightFile::of(g);
  file.set("linear.weight_scale", DType::f32, {1}, std::vector<float>{1});
  CHECK_THAT(file.refusal(g), ContainsSubstring("'linear.weight_scale'"));
  auto integers = WeightFile::of(g);
  integers.set("linear.bias", DType::i32, {3}, std::vector<std::int32_t>{1, 2, 3});
  CHECK_THAT(integers.refusal(g), ContainsSubstring("'linear.bias' is I32"));
}

TEST_CASE("name maps are chosen by what the names look like") {
  CHECK(choose_name_map(std::vector<std::string>{"module.a.weight", "module.b.bias"}).name() ==
        "data_parallel");
  CHECK(choose_name_map(std::vector<std::string>{"module.a.weight", "b.bias"}).name() == "plain");
  CHECK(choose_name_map(std::vector<std::string>{"a/kernel", "a/bias"}).name() == "keras");
  CHECK(choose_name_map(std::vector<std::string>{"fire4/squeeze1x1.weight"}).name() ==
        "squeezenet_caffe");
  CHECK(choose_name_map(std::vector<std::string>{"dw/depthwise_kernel"})
            .translate("dw/depthwise_kernel")
            ->name == "dw.weight");
}
