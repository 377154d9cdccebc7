#include "integer/file.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>

#include "core/error.h"
#include "export/safetensors.h"
#include "integer/reference.h"
#include "integer/structure.h"
#include "networks.h"

namespace bitsweep::integer {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

std::filesystem::path file() {
  return std::filesystem::temp_directory_path() / "bitsweep_integer_file_test.safetensors";
}

TEST_CASE("a network comes back from its file as it was") {
  const auto seed = GENERATE(2U, 9U, 11U, 17U);
  const Network network = testing::small_example(seed).build();
  save(file(), network, {{"key", "ab12"}});
  const auto read = exporting::SafetensorsFile::read(file());
  CHECK(is_integer_file(read));
  CHECK(about_of(read) == nlohmann::json{{"key", "ab12"}});
  const Network back = load(read);
  CHECK(structure_of(back) == structure_of(network));
  const std::vector<float> image = testing::drawn_image(network.input().shape, seed);
  CHECK(run_reference(back, image).logits == run_reference(network, image).logits);
}

TEST_CASE("a structure that fits no arrays is refused with file, step and reason") {
  const Network network = testing::small_example(2).build();
  nlohmann::json structure = structure_of(network);
  const ArraySource empty{[](const std::string&, std::int64_t n) {
                            return std::vector<std::int32_t>(static_cast<std::size_t>(n), 1);
                          },
                          [](const std::string&, std::int64_t n) {
                            return std::vector<float>(static_cast<std::size_t>(n));
                          }};
  SECTION("a tensor that no step writes") {
    structure["steps"][1]["input"] = 40;
    CHECK_THROWS_MATCHES(network_from(structure, empty, "net.safetensors"), DataError,
                         MessageMatches(ContainsSubstring("net.safetensors") &&
                                        ContainsSubstring("reads tensor 40")));
  }
  SECTION("a missing entry") {
    structure["steps"][0].erase("kernel");
    CHECK_THROWS_MATCHES(
        network_from(structure, empty, "net.safetensors"), DataError,
        MessageMatches(ContainsSubstring("step 'conv0'") && ContainsSubstring("kernel")));
  }
  SECTION("another version") {
    structure["version"] = 7;
    CHECK_THROWS_MATCHES(network_from(structure, empty, "net.safetensors"), DataError,
                         MessageMatches(ContainsSubstring("version 7; expected 1")));
  }
}

TEST_CASE("a file without an integer network says so") {
  const std::vector<float> values = {1};
  exporting::write_safetensors(file(), {{.name = "x",
                                         .dtype = exporting::DType::f32,
                                         .shape = {1},
                                         .bytes = std::as_bytes(std::span(values))}});
  const auto read = exporting::SafetensorsFile::read(file());
  CHECK(!is_integer_file(read));
  CHECK_THROWS_MATCHES(load(read), DataError, MessageMatches(ContainsSubstring("integer network")));
}

TEST_CASE("weights of 4 bits take half a byte each in the file") {
  testing::Example example = testing::small_example(2);
  const auto bytes_with = [&](int bits) {
    for (quant::QuantizerSite& site : example.sites.sites) {
      if (site.place != quant::Place::weight) continue;
      site.quantizer = "tanh_symmetric";
      site.bits = bits;
    }
    save(file(), example.build(), {});
    const auto read = exporting::SafetensorsFile::read(file());
    return read.find("conv0.weight")->elements();  // uint8
  };
  const auto whole = bytes_with(8);
  CHECK(bytes_with(4) == (whole + 1) / 2);
  CHECK(bytes_with(6) == (whole * 6 + 7) / 8);
}

}  // namespace
}  // namespace bitsweep::integer
