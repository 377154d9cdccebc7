#include "config/identity.h"
#include "config/presets.h"
#include "support.h"

using namespace bitsweep::config;

namespace {

Settings with_preset(const std::string& more) {
  return settings_of("quant.scheme = \"aciq\"\nquant.preset = \"submission2019\"\n" + more);
}

}  // namespace

TEST_CASE("a preset stands above the defaults and below whatever is explicit") {
  Settings settings = with_preset("");
  CHECK(settings.get("quant.weight.granularity") == Value("tensor"));
  CHECK(settings.place_of("quant.weight.granularity") == "preset submission2019");
  CHECK_FALSE(settings.is_explicit("quant.weight.granularity"));
  settings.set("quant.weight.granularity", "channel", "test");
  CHECK(settings.get("quant.weight.granularity") == Value("channel"));
  settings.unset("quant.weight.granularity");
  settings.unset("quant.preset");
  CHECK(settings.get("quant.weight.granularity") == Value("channel"));  // the default
}

TEST_CASE("a preset named after the explicit keys does not override them") {
  const Settings settings = settings_of(
      "quant.weight.granularity = \"channel\"\nquant.preset = \"submission2019\"\nquant.scheme = "
      "\"aciq\"\n");
  CHECK(settings.get("quant.weight.granularity") == Value("channel"));
}

TEST_CASE("submission2019 gives the first activation 8 bits only at 4 calibrated bits") {
  const auto first = [](const std::string& more) {
    return with_preset(more).get("quant.sites.first_activation_bits");
  };
  CHECK(first("quant.activation.bits = 4\n") == Value(8));
  CHECK(first("quant.activation.bits = 8\n") == Value("same"));
  CHECK(first("quant.activation.bits = 4\nquant.calibration.statistics = \"dynamic\"\n") ==
        Value("same"));
  CHECK(first("quant.activation.bits = 4\nquant.sites.first_activation_bits = 6\n") == Value(6));
}

TEST_CASE("submission2019 takes sample means only where statistics are dynamic") {
  CHECK(with_preset("").get("quant.activation.range") == Value("minmax"));
  CHECK(with_preset("quant.calibration.statistics = \"dynamic\"\n").get("quant.activation.range") ==
        Value("sample_mean"));
}

TEST_CASE("submission2019 rounds ties by the two paths of the document's simulator") {
  CHECK(with_preset("").get("quant.weight.ties") == Value("by_path"));
  CHECK(with_preset("quant.activation.ties = \"even\"\n").get("quant.activation.ties") ==
        Value("even"));
}

TEST_CASE("a preset has no effect under a scheme that is not its own") {
  const Settings settings =
      settings_of("quant.preset = \"submission2019\"\nquant.weight.bits = 4\n");
  CHECK(settings.get("quant.weight.granularity") == Value("channel"));
}

TEST_CASE("every preset binds: known keys, values they take, conditions without circles") {
  for (const std::string& name : preset_names()) {
    CHECK(bound_preset(name).of_key.size() == schema().size());
  }
  CHECK(contains(config_error([] { bound_preset("submission2018"); }),
                 "did you mean 'submission2019'?"));
}

TEST_CASE("two ways to say the same resolve to the same trial") {
  const auto key = [](const Settings& settings) { return identify(settings, {}).key; };
  const Settings named = with_preset("quant.activation.bits = 4\n");
  const Settings spelled = settings_of(R"(
quant.scheme = "aciq"
quant.weight = { granularity = "tensor", ties = "by_path" }
quant.activation = { bits = 4, ties = "by_path" }
quant.sites.first_activation_bits = 8
)");
  CHECK(key(named) == key(spelled));
  CHECK(key(named) != key(settings_of("quant = { scheme = \"aciq\", activation.bits = 4 }\n")));
}
