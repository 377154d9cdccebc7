#include "search/recipe.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers.hpp>
#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/error.h"
#include "data/dataset.h"
#include "models/model.h"
#include "quant/scheme.h"
#include "search/cost.h"

namespace bitsweep::search {
namespace {

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::MessageMatches;

config::Settings settings(int weight_bits, int activation_bits) {
  config::Settings out;
  const auto set = [&](const char* key, config::Value value) {
    out.set(key, std::move(value), "test");
  };
  set("model.name", std::string("resnet20"));
  set("data.name", std::string("cifar10"));
  set("quant.scheme", std::string("aciq"));
  set("quant.preset", std::string("submission2019"));
  set("quant.weight.granularity", std::string("channel"));
  set("quant.activation.granularity", std::string("channel"));
  set("quant.activation.clipping", std::string("laplace"));
  set("quant.weight.bits", std::int64_t{weight_bits});
  set("quant.activation.bits", std::int64_t{activation_bits});
  return out;
}

quant::PlannedNetwork planned(const config::Settings& of) {
  const config::TrialConfig trial = config::to_trial(of);
  const auto& dataset = data::datasets().get(trial.data.name);
  return quant::plan_network(models::build_model(trial.model, dataset.num_classes()), trial.quant);
}

graph::TotalCount counted(const config::Settings& of) {
  const quant::PlannedNetwork network = planned(of);
  return graph::count(network.folding.graph, quant::bit_table(network.folding.graph, network.sites))
      .total;
}

std::size_t knob_at(const Recipe& recipe, std::string_view name) {
  for (std::size_t i = 0; i < recipe.knobs().size(); ++i) {
    if (recipe.knobs()[i].name() == name) return i;
  }
  FAIL("no knob " << name);
  return 0;
}

// Sites by place and layer, as text, for comparison.
std::string text_of(const quant::QuantizerSite& site) {
  return fmt::format("{} {} {} {} {} {}", site.bits, static_cast<int>(site.granularity),
                     site.clipping, static_cast<int>(site.range), site.allocation.rule,
                     site.half_range);
}

TEST_CASE("every quantized weight and output of a layer is a knob, policies applied") {
  const Recipe recipe(settings(4, 4));
  CHECK(recipe.knobs().size() == 2 * 20);
  CHECK(recipe.knobs()[knob_at(recipe, "conv1.weight")].bits == 8);
  CHECK(recipe.knobs()[knob_at(recipe, "conv1.activation")].bits == 8);
  CHECK(recipe.knobs()[knob_at(recipe, "layer2.0.conv1.weight")].bits == 4);
  CHECK(recipe.knobs()[knob_at(recipe, "linear.activation")].bits == 8);
}

TEST_CASE("a class in full precision has no knobs") {
  config::Settings weights = settings(4, 4);
  weights.set("quant.activation.bits", std::string("none"), "test");
  CHECK(Recipe(weights).knobs().size() == 20);
  weights.set("quant.weight.bits", std::string("none"), "test");
  CHECK_THROWS_MATCHES(Recipe(weights), ConfigError,
                       MessageMatches(ContainsSubstring("nothing to analyse")));
}

TEST_CASE("a recipe without quantization cannot be analysed") {
  config::Settings plain = settings(4, 4);
  plain.set("quant.scheme", std::string("none"), "test");
  CHECK_THROWS_MATCHES(Recipe(plain), ConfigError,
                       MessageMatches(ContainsSubstring("quant.scheme = \"none\"")));
}

TEST_CASE("widths become rules that change their own tensors alone") {
  const Recipe recipe(settings(4, 4));
  const std::size_t turned = knob_at(recipe, "layer1.0.conv1.weight");
  Widths widths(recipe.knobs().size());
  widths[turned] = 6;
  const quant::PlannedNetwork before = planned(recipe.settings());
  const quant::PlannedNetwork after = planned(recipe.with(widths));
  REQUIRE(after.sites.sites.size() == before.sites.sites.size());
  for (std::size_t i = 0; i < before.sites.sites.size(); ++i) {
    const bool is_it = before.sites.sites[i].place == quant::Place::weight &&
                       before.sites.sites[i].node == recipe.knobs()[turned].node;
    if (is_it) {
      CHECK(after.sites.sites[i].bits == 6);
    } else {
      CHECK(text_of(after.sites.sites[i]) == text_of(before.sites.sites[i]));
    }
  }
}

TEST_CASE("saying every width that the recipe has changes no site") {
  const Recipe recipe(settings(4, 4));
  Widths widths;
  for (const Knob& knob : recipe.knobs()) widths.emplace_back(knob.bits);
  const quant::PlannedNetwork before = planned(recipe.settings());
  const quant::PlannedNetwork after = planned(recipe.with(widths));
  REQUIRE(after.sites.sites.size() == before.sites.sites.size());
  for (std::size_t i = 0; i < before.sites.sites.size(); ++i) {
    CHECK(text_of(after.sites.sites[i]) == text_of(before.sites.sites[i]));
  }
}

TEST_CASE("a rule of the recipe keeps what an analysis does not change") {
  config::Settings ruled = settings(4, 4);
  ruled.layers.push_back(config::layer_rule(
      "layer1.*",
      {config::assignment("quant.weight.bits", std::int64_t{5}, "test"),
       config::assignment("quant.activation.clipping", std::string("gauss"), "test")},
      "test"));
  const Recipe recipe(ruled);
  const std::size_t turned = knob_at(recipe, "layer1.0.conv1.activation");
  Widths widths(recipe.knobs().size());
  widths[turned] = 3;
  const quant::PlannedNetwork after = planned(recipe.with(widths));
  const graph::NodeId node = recipe.knobs()[turned].node;
  CHECK(after.sites.find(quant::Place::output, node)->clipping == "gauss");
  CHECK(after.sites.find(quant::Place::output, node)->bits == 3);
  CHECK(after.sites.find(quant::Place::weight, node)->bits == 5);
}

TEST_CASE("one knob alone leaves one site, as the recipe has it") {
  const Recipe recipe(settings(4, 4));
  const quant::PlannedNetwork whole = planned(recipe.settings());
  for (const char* name : {"conv1.activation", "conv1.weight", "layer2.0.conv2.activation",
                           "layer3.2.conv1.weight", "linear.weight", "linear.activation"}) {
    const std::size_t knob = knob_at(recipe, name);
    const quant::PlannedNetwork alone = planned(recipe.only(knob));
    REQUIRE(alone.sites.sites.size() == 1);
    const quant::QuantizerSite& site = alone.sites.sites.front();
    CHECK(site.node == recipe.knobs()[knob].node);
    CHECK(text_of(site) == text_of(*whole.sites.find(site.place, site.node)));
  }
}

TEST_CASE("counting widths equals counting the recipe that has them") {
  const Recipe recipe(settings(4, 4));
  Widths widths(recipe.knobs().size());
  for (std::size_t i = 0; i < widths.size(); ++i) {
    if (i % 3 != 0) widths[i] = 2 + static_cast<int>(i % 5);
  }
  const graph::TotalCount expected = counted(recipe.with(widths));
  const graph::TotalCount found = recipe.count(widths);
  CHECK(found.weight_bits_average == expected.weight_bits_average);
  CHECK(found.activation_bits_average == expected.activation_bits_average);
  CHECK(found.bytes() == expected.bytes());
  CHECK(found.bops == expected.bops);
}

TEST_CASE("the costs of a problem are those of counting, for every cost and pair") {
  const Recipe recipe(settings(4, 4));
  const std::vector<int> candidates = {8, 4, 2};
  std::vector<std::size_t> turned;
  for (const char* name :
       {"layer1.0.conv1.weight", "layer1.0.conv1.activation", "layer1.0.conv2.weight",
        "layer2.0.conv1.activation", "layer2.0.conv2.weight"}) {
    turned.push_back(knob_at(recipe, name));
  }
  const std::vector<std::vector<double>> none(turned.size(),
                                              std::vector<double>(candidates.size(), 0));
  for (const Cost cost : {Cost::bits, Cost::bytes, Cost::bops}) {
    const Problem problem = make_problem(recipe, cost, turned, candidates, none);
    CHECK(problem.pairs.empty() == (cost != Cost::bops));
    for (const Choices& choices :
         {Choices{0, 0, 0, 0, 0}, Choices{1, 2, 1, 2, 1}, Choices{2, 2, 2, 2, 2}}) {
      const Widths widths = widths_of(recipe, turned, candidates, choices);
      const double counted = cost_of(cost, recipe.count(widths), false);
      CHECK(std::abs(evaluate(problem, choices).cost - counted) <= 1e-9 * counted);
    }
  }
}

}  // namespace
}  // namespace bitsweep::search
