#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "importing/python_literals.h"
#include "translated.h"

namespace bitsweep::importing {
namespace {

using Catch::Matchers::ContainsSubstring;
using Numbers = std::vector<std::int64_t>;

const char* const kToyNet = R"(# widths
C.layer_abit = [32, 8, 8,8,8, 8,8,8, 8,8,8,  32,32]
C.layer_wbit = [32, 8, 6,6,6, 6,6,6, 8,8,8,
                16,16]  # classifier
C.blocks = ["a", "b"]
)";

TEST_CASE("lists of whole numbers are read with their names and places, other code is not") {
  const auto lists = read_number_lists(kToyNet, "c.py");
  REQUIRE(lists.size() == 2);
  CHECK(lists[0].name == "C.layer_abit");
  CHECK(lists[0].place == "c.py:2:16");
  CHECK(lists[1].numbers.size() == 13);
  CHECK(lists[1].numbers.back() == 16);
}

TEST_CASE("lists may be repeated and joined, and None is full precision") {
  CHECK(read_number_lists("a = [32] + [8, 6] * 2 + [None]", "c.py").at(0).numbers ==
        Numbers{32, 8, 6, 8, 6, 32});
  CHECK(read_number_lists("f(abits=[1, 2], wbits=[3])", "c.py").at(1).name == "wbits");
  CHECK(read_number_lists("{'layer_abit': [1]}", "c.py").at(0).name == "layer_abit");
  CHECK(read_number_lists("x = '[1, 2]'  # [3]\n", "c.py").empty());
}

TEST_CASE("a list that is cut off or holds anything else is refused with its place") {
  const auto message = [](const char* text) -> std::string {
    try {
      read_number_lists(text, "c.py");
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  CHECK_THAT(message("a = [8, 8"), ContainsSubstring("c.py:1:5: this list is never closed"));
  CHECK_THAT(message("a = [8, 4.5]"), ContainsSubstring("c.py:1:9: expected a whole number"));
  CHECK_THAT(message("a = [8, bits]"), ContainsSubstring("found 'bits'"));
  CHECK_THAT(message("a = [8 8]"), ContainsSubstring("expected ',' or ']'"));
  CHECK_THAT(message("a = [8] * n"), ContainsSubstring("repeated by a whole number"));
  CHECK_THAT(message("a = [8] * 99999999999"), ContainsSubstring("repeated by a whole number"));
}

TEST_CASE("a configuration file of document 002 plans as a training with its widths") {
  const config::Settings settings = planned(kToyNet);
  CHECK(bare(settings, "model.name") == "toynet");
  CHECK(bare(settings, "kind") == "train");
  CHECK(bare(settings, "quant.scheme") == "dorefa_pact");
  const auto* weights = settings.get("quant.weight.bits").as<config::List>();
  REQUIRE(weights != nullptr);
  REQUIRE(weights->size() == 13);
  CHECK((*weights)[0] == config::Value(std::string("none")));
  CHECK((*weights)[2] == config::Value(std::int64_t{6}));
  CHECK(bare(settings, "train.lr_floor") == "0.001");
}

TEST_CASE("lists pasted alone are activations and weights, in the document's order") {
  const config::Settings settings = planned("[8]*9\n[6]*9", "resnet20");
  CHECK((*settings.get("quant.activation.bits").as<config::List>())[0] ==
        config::Value(std::int64_t{8}));
  CHECK((*settings.get("quant.weight.bits").as<config::List>())[0] ==
        config::Value(std::int64_t{6}));
  CHECK(bare(settings, "train.batch_size") == "256");
}

TEST_CASE("lists of another length are refused with what each entry addresses") {
  const std::string message = error_of("bit_lists", "a=[8]*3\nw=[8]*13", "toynet");
  CHECK_THAT(message, ContainsSubstring("typed:1:3: 3 widths, and network 'toynet' has 13"));
  CHECK_THAT(message, ContainsSubstring("0 stem") || ContainsSubstring("0 "));
  CHECK_THAT(error_of("bit_lists", "a=[8]*3\nw=[8]*3"),
             ContainsSubstring("fit none of the document's networks (toynet 13 and 13"));
}

TEST_CASE("a width outside the range and a missing list are refused") {
  CHECK_THAT(error_of("bit_lists", "a=[8]*8+[17]\nw=[8]*9", "resnet20"),
             ContainsSubstring("entry 8 is 17; expected 1 to 16, or 32"));
  CHECK_THAT(error_of("bit_lists", "layer_wbit = [8]*9"),
             ContainsSubstring("no list named like layer_abit"));
}

}  // namespace
}  // namespace bitsweep::importing
