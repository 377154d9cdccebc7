// What the project writes for other tools, run by them: Verilog in Icarus Verilog, C by the C
// compiler. Outputs equal the reference executor's, bit for bit.
#include <fmt/format.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "integer/c_header.h"
#include "integer/memory_image.h"
#include "integer/reference.h"
#include "integer/verilog.h"
#include "networks.h"

namespace bitsweep::integer {
namespace {

namespace fs = std::filesystem;
using Numbers = std::vector<std::int64_t>;

bool has_program(const std::string& name) {
  return std::system(("command -v " + name + " > /dev/null 2>&1").c_str()) == 0;
}

// A new empty folder of this name.
fs::path folder(const std::string& name) {
  const fs::path out = fs::temp_directory_path() / ("bitsweep_" + name);
  fs::remove_all(out);
  fs::create_directories(out);
  return out;
}

void run_in(const fs::path& where, const std::string& command) {
  INFO(command);
  REQUIRE(std::system(("cd '" + where.string() + "' && " + command).c_str()) == 0);
}

void write_text(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }

std::string read_text(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

Numbers simulated(const Hardware& hardware) {
  if (!has_program("iverilog")) SKIP("no iverilog");
  const fs::path where = folder(hardware.module);
  for (const auto& [name, text] : hardware.files) write_text(where / name, text);
  run_in(where, "iverilog -Wall -o simulation " + hardware.module + ".v " + hardware.module +
                    "_test.v 2> warnings && vvp -n simulation > printed");
  CHECK(read_text(where / "warnings").empty());
  CHECK(read_text(where / hardware.output_file) == hardware.files.at(hardware.expected_file));
  std::ifstream in(where / hardware.output_file);
  Numbers out;
  for (std::int64_t number = 0; in >> number;) out.push_back(number);
  return out;
}

Numbers as_numbers(const std::vector<std::int32_t>& codes) { return {codes.begin(), codes.end()}; }

TEST_CASE("a memory image holds words in two's complement of their width") {
  const std::vector<std::int32_t> words = {0, 5, -1, -8, 15};
  CHECK(memory_image(words, 4, "x") == "// x: 5 words of 4 bits\n0\n5\nf\n8\nf\n");
  CHECK(memory_image(std::vector<std::int32_t>{-2, 511}, 10, "y") ==
        "// y: 2 words of 10 bits\n3fe\n1ff\n");
}

TEST_CASE("the Verilog of convolutions gives the executor's codes") {
  // Depthwise with batch norm; strided from a carrier; pointwise with a residual.
  const auto name = GENERATE("cells.9.conv1", "cells.7.downsample", "cells.9.conv3");
  const auto rounding = GENERATE(kernels::FixedRounding::truncate, kernels::FixedRounding::nearest);
  const Network network = testing::example("toynet", "mpact", 8).build({.rounding = rounding});
  const Layer& layer = testing::layer_of(network, name);
  const Trace trace = run_reference(network, testing::drawn_image(network.input().shape, 1));
  const auto codes = [&](TensorId id) { return trace.codes[static_cast<std::size_t>(id)]; };
  const std::vector<std::int32_t> other =
      layer.other == kNone ? std::vector<std::int32_t>() : codes(layer.other);
  CHECK(simulated(hardware_of(network, layer, codes(layer.input), other)) ==
        as_numbers(codes(layer.output)));
}

TEST_CASE("the Verilog of drawn convolutions gives the executor's codes") {
  const auto seed = GENERATE(1U, 2U, 3U, 4U);
  const Network network = testing::small_example(seed).build();
  const Trace trace = run_reference(network, testing::drawn_image(network.input().shape, seed));
  const Layer& layer = testing::layer_of(network, "conv1");
  CHECK(
      simulated(hardware_of(network, layer, trace.codes[static_cast<std::size_t>(layer.input)])) ==
      as_numbers(trace.codes[static_cast<std::size_t>(layer.output)]));
}

TEST_CASE("the Verilog of the classifier gives its accumulators") {
  const Network network = testing::example("toynet", "mpact", 8).build();
  const Trace trace = run_reference(network, testing::drawn_image(network.input().shape, 1));
  Classifier fc = network.classifier();
  fc.name = GENERATE("fc", "output");  // a word of Verilog's
  const std::vector<std::int32_t>& x = trace.codes[static_cast<std::size_t>(fc.input)];
  Numbers expected;
  for (std::size_t k = 0; k < fc.bias.size(); ++k) {
    std::int64_t sum = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      sum += std::int64_t{fc.weights.codes[k * x.size() + i]} * x[i];
    }
    expected.push_back(sum);
  }
  CHECK(simulated(hardware_of(network, fc, x)) == expected);
}

TEST_CASE("hardware is found by the name of a layer, and refused for what has none") {
  const Network network = testing::small_example(1).build();
  const Trace trace = run_reference(network, testing::drawn_image(network.input().shape, 1));
  const Layer& conv = testing::layer_of(network, "conv1");
  CHECK(hardware_of(network, "conv1", trace).files ==
        hardware_of(network, conv, trace.codes[static_cast<std::size_t>(conv.input)]).files);
  CHECK(hardware_of(network, "fc", trace).module == "layer_fc");
  CHECK_THROWS_WITH(hardware_step(network, "conv_1"),
                    Catch::Matchers::ContainsSubstring("did you mean 'conv1'?"));
  CHECK_THROWS_WITH(hardware_step(network, ""), Catch::Matchers::ContainsSubstring("conv1, "));
}

TEST_CASE("the C header gives the executor's logits and the codes of each layer") {
  if (!has_program("cc")) SKIP("no C compiler");
  const auto seed = GENERATE(1U, 4U, 6U, 13U);
  Settings settings;
  settings.rounding =
      seed % 2 == 0 ? kernels::FixedRounding::truncate : kernels::FixedRounding::nearest;
  settings.variant = seed == 6 ? Variant::document : Variant::corrected;
  const Network network = testing::small_example(seed).build(settings);
  const std::vector<float> image = testing::drawn_image(network.input().shape, seed);
  const Trace expected = run_reference(network, image);
  const Layer& layer = testing::layer_of(network, "conv0");

  const fs::path where = folder("c_header");
  write_text(where / "net.h", c_header(network, "net"));
  std::string numbers, codes;
  for (const float value : image) numbers += fmt::format("{:a}f,", value);
  for (const std::int32_t code : expected.codes[0]) codes += fmt::format("{},", code);
  const std::size_t outputs = expected.codes[static_cast<std::size_t>(layer.output)].size();
  write_text(
      where / "main.c",
      fmt::format("#include <stdio.h>\n#include \"net.h\"\n"
                  "static const float image[] = {{{}}};\n"
                  "static const int32_t codes[] = {{{}}};\n"
                  "static int32_t y[{}];\n"
                  "int main(void) {{\n  float logits[{}];\n  int i;\n"
                  "  net_run(image, logits);\n"
                  "  for (i = 0; i < {}; ++i) printf(\"%.9g\\n\", (double)logits[i]);\n"
                  "  net_conv0(codes, 0, y);\n"
                  "  for (i = 0; i < {}; ++i) printf(\"%d\\n\", (int)y[i]);\n"
                  "  return 0;\n}}\n",
                  numbers, codes, outputs, network.num_classes(), network.num_classes(), outputs));
  run_in(where,
         "cc -std=c99 -Wall -Wextra -Werror -O1 -ffp-contract=off main.c -o main -lm && "
         "./main > out.txt");
  std::ifstream in(where / "out.txt");
  for (const float logit : expected.logits) {
    double got = 0;
    REQUIRE(in >> got);
    CHECK(static_cast<float>(got) == logit);
  }
  std::vector<std::int32_t> got(outputs);
  for (std::int32_t& code : got) REQUIRE(in >> code);
  CHECK(got == expected.codes[static_cast<std::size_t>(layer.output)]);
}

}  // namespace
}  // namespace bitsweep::integer
