// The preset submission2019 against the quantizer tables of the golden whole-network cases: which
// tensor has which width, granularity, half range and rounding path. The ranges and results in
// those cases are the business of golden_wholenet_test.
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "config/settings.h"
#include "config/trial.h"
#include "core/file.h"
#include "models/model.h"
#include "quant/scheme.h"

using namespace bitsweep;
using namespace bitsweep::quant;
using nlohmann::json;

namespace {

json golden_cases() {
  const char* other = std::getenv("BITSWEEP_GOLDEN");
  const std::filesystem::path folder =
      other != nullptr && *other != '\0' ? other : BITSWEEP_GOLDEN_SOURCE;
  const auto file = folder / "wholenet_resnet20.json";
  if (!std::filesystem::exists(file)) SKIP("no " + file.string());
  return json::parse(read_text_file(file)).at("cases");
}

bool flag(const json& params, const char* name) { return params.value(name, false); }

// "int4" → 4.
std::int64_t width(const json& params, const char* name) {
  return std::stoll(params.at(name).get<std::string>().substr(3));
}

config::QuantConfig configuration(const json& params) {
  config::Settings settings;
  const auto set = [&](const char* key, config::Value value) {
    settings.set(key, std::move(value), "golden case");
  };
  const auto granularity = [&](const char* name) {
    return std::string(flag(params, name) ? "channel" : "tensor");
  };
  set("kind", std::string("ptq"));
  set("model.name", std::string("resnet20"));
  set("data.name", std::string("cifar10"));
  set("quant.scheme", std::string("aciq"));
  set("quant.preset", std::string("submission2019"));
  set("quant.weight.bits", width(params, "qweight"));
  set("quant.activation.bits", width(params, "qtype"));
  set("quant.weight.granularity", granularity("per_channel_quant_weights"));
  set("quant.activation.granularity", granularity("per_channel_quant_act"));
  if (params.at("statistics").get<std::string>().starts_with("dynamic")) {
    set("quant.calibration.statistics", std::string("dynamic"));
  }
  const auto allocation = [&](const char* name) {
    return std::string(flag(params, name) ? "round" : "none");
  };
  set("quant.weight.bit_allocation", allocation("bit_alloc_weight"));
  set("quant.activation.bit_allocation", allocation("bit_alloc_act"));
  auto quant = config::to_trial(settings).quant;
  // Only whether anything is clipped matters to the sites.
  if (params.contains("clipping")) quant.activation.clipping = params.at("clipping");
  return quant;
}

void check_site(const QuantizerSite* site, const json& want) {
  REQUIRE(site != nullptr);
  // A list of widths per channel comes from the data.
  CHECK(site->is_allocated() == want.at("bits").is_object());
  if (!site->is_allocated()) CHECK(site->bits == want.at("bits").get<int>());
  CHECK((site->granularity == config::Granularity::channel) == want.at("delta").is_object());
  CHECK((site->ties == config::Ties::away) == (want.at("path") == "kernel"));
  const auto tag = want.at("tag").get<std::string>();
  CHECK(site->half_range == tag.ends_with("+half_range"));
}

// "conv3_activation" is the output of the fourth convolution; "linear0_activation" the logits.
graph::NodeId activation_node(const graph::Graph& g, const std::string& id) {
  if (id.starts_with("linear")) return g.output();
  auto index = std::stoi(id.substr(4));
  for (graph::NodeId node = 0; node <= g.output(); ++node) {
    if (g.node(node).as<graph::Convolution>() != nullptr && index-- == 0) return node;
  }
  return -1;
}

}  // namespace

TEST_CASE("submission2019 quantizes what the simulator did, with its widths and rounding paths") {
  config::ModelConfig model;
  model.name = "resnet20";
  const graph::Graph network = models::build_model(model, 10);
  int compared = 0;
  for (const json& golden : golden_cases()) {
    if (golden.value("kind", "") != "ptq") continue;
    const json& params = golden.at("params");
    CAPTURE(golden.at("name").get<std::string>());
    const PlannedNetwork planned = plan_network(network, configuration(params));
    const graph::Graph& g = planned.folding.graph;
    const json& expect = golden.at("expect");
    for (const json& want : expect.at("weight_quantizers")) {
      const auto id = want.at("id").get<std::string>();
      CAPTURE(id);
      check_site(planned.sites.find(Place::weight, g.find(id.substr(0, id.rfind('.')))), want);
      ++compared;
    }
    const bool dynamic = expect.contains("activation_quantizers_first_batch");
    const json& table =
        expect.at(dynamic ? "activation_quantizers_first_batch" : "activation_quantizers");
    for (const json& want : table) {
      const auto id = want.at("id").get<std::string>();
      CAPTURE(id);
      check_site(planned.sites.find(Place::output, activation_node(g, id)), want);
      ++compared;
    }
    if (!flag(params, "bit_alloc_weight") && !flag(params, "bit_alloc_act")) {
      const auto total = graph::count(g, bit_table(g, planned.sites)).total;
      const json& average = expect.at("average_bits");
      CHECK(total.weight_bits_average == average.at("weights_by_element").get<double>());
      CHECK(total.activation_bits_average == average.at("activations_by_element").get<double>());
    }
  }
  CHECK(compared > 0);
}
