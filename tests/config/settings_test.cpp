#include "config/settings.h"

#include <nlohmann/json.hpp>

#include "support.h"

using namespace bitsweep::config;

TEST_CASE("an unset key has its default, and the place says so") {
  const Settings settings;
  CHECK(settings.get("quant.weight.bits") == Value(8));
  CHECK_FALSE(settings.is_explicit("quant.weight.bits"));
  CHECK(settings.place_of("quant.weight.bits") == "default");
  CHECK_FALSE(settings.get("model.weights").is_set());
}

TEST_CASE("a key that was set keeps value, place and folder until it is unset") {
  Settings settings;
  settings.set("model.weights", "w.safetensors", "sweeps/x.toml:3:4", "sweeps");
  CHECK(settings.get("model.weights") == Value("w.safetensors"));
  CHECK(settings.place_of("model.weights") == "sweeps/x.toml:3:4");
  CHECK(settings.folder_of("model.weights") == "sweeps");
  settings.unset("model.weights");
  CHECK_FALSE(settings.get("model.weights").is_set());
  CHECK(settings.folder_of("model.weights").empty());
  CHECK(settings.place_of("model.weights") == "default");
}

TEST_CASE("settings that were copied change apart") {
  Settings a;
  a.set("seed", 1, "test");
  Settings b = a;
  b.set("seed", 2, "test");
  CHECK(a.get("seed") == Value(1));
  CHECK(b.get("seed") == Value(2));
}

TEST_CASE("to_json holds every key flat, defaults included and unset as null") {
  Settings settings = settings_of("model.name = \"resnet20\"\nquant.weight.bits = 4\n");
  const auto json = settings.to_json();
  CHECK(json.size() == schema().size() + 1);  // and "layer"
  CHECK(json["model.name"] == "resnet20");
  CHECK(json["quant.weight.bits"] == 4);
  CHECK(json["quant.activation.bits"] == 8);
  CHECK(json["model.weights"].is_null());
  CHECK(json["layer"].empty());
}

TEST_CASE("from_json gives back what to_json wrote") {
  const Settings settings = settings_of(R"(
model.name = "resnet20"
data = { name = "cifar10", normalize = { mean = [0.5, 0.5, 0.5], std = [0.25, 0.25, 0.25] } }
quant = { scheme = "aciq", preset = "submission2019", weight.bits = [8, 4, "none"] }
[[layer]]
match = "conv1|fc"
weight.bits = 8
activation = { bits = "none", granularity = "channel" }
)");
  const auto json = settings.to_json();
  const Settings again = Settings::from_json(nlohmann::json::parse(json.dump()));
  CHECK(again.to_json() == json);
  REQUIRE(again.layers.size() == 1);
  CHECK(again.layers[0].overrides == settings.layers[0].overrides);
}

TEST_CASE("from_json refuses what no version could have written") {
  CHECK(contains(config_error([] { Settings::from_json(nlohmann::json::array()); }), "object"));
  CHECK(contains(config_error([] {
                   Settings::from_json({{"quant.weight.bits", 99}});
                 }),
                 "stored configuration: quant.weight.bits = 99"));
  CHECK(contains(config_error([] {
                   Settings::from_json({{"quant.weight.bit", 9}});
                 }),
                 "unknown key"));
  CHECK(contains(config_error([] {
                   Settings::from_json({{"layer", {{{"weight.bits", 8}}}}});
                 }),
                 "without its match"));
}

TEST_CASE("registry_names tells which names a later room must know") {
  const Settings settings = settings_of("model.name = \"resnet20\"\n");
  const auto names = registry_names(settings);
  REQUIRE(names.size() == 2);  // the data set is not set
  CHECK(names[0].family == "model");
  CHECK(names[0].name == "resnet20");
  CHECK(names[1].family == "scheme");
  CHECK(names[1].name == "none");
}

TEST_CASE("what a later version will do is refused with its place and what there is") {
  struct Case {
    const char* toml;
    const char* message;
  };
  const Case cases[] = {
      {"kind = \"analysis\"",
       "x.toml:1:8: kind = \"analysis\" is not available in this version; available: ptq, train"},
      {"eval.modes = [\"w4a4\"]", "is not available in this version"},
  };
  for (const Case& c : cases) {
    INFO(c.toml);
    const Settings settings = settings_of(c.toml);  // known, and of the right type
    const auto message = config_error([&] { check_available(settings); });
    INFO(message);
    CHECK(contains(message, c.message));
  }
  CHECK_NOTHROW(check_available(settings_of("quant.activation.clipping = \"none\"")));
  CHECK_NOTHROW(check_available(settings_of("quant.activation.clipping = \"std:2\"")));
}
