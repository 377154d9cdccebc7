#include <catch2/matchers/catch_matchers_exception.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <nlohmann/json.hpp>

#include "config/identity.h"
#include "config/trial.h"
#include "support.h"

using namespace bitsweep::config;

namespace {

const std::string kHead =
    "kind = \"train\"\nmodel.name = \"toynet\"\ndata.name = \"cifar10\"\n"
    "quant.scheme = \"dorefa_pact\"\n";

TrialConfig trial_of(const std::string& more) { return to_trial(settings_of(kHead + more)); }

Identity identity_of(const std::string& more) { return identify(settings_of(kHead + more), {}); }

}  // namespace

TEST_CASE("a shared key has the default of its scheme") {
  const QuantConfig quant = trial_of("").quant;
  CHECK(quant.weight.quantizer == "tanh_symmetric");
  CHECK(quant.weight.bits == 8);
  CHECK(quant.activation.quantizer == "mpact");
  CHECK(quant.activation.bits == 8);
  const DorefaPactConfig& own = quant.dorefa_pact;
  CHECK(own.clamp_factor == 0.1);
  CHECK(own.clip == 2);
  CHECK_FALSE(own.alpha_init.has_value());
  CHECK(own.alpha_penalty == 2e-4);
  CHECK_FALSE(own.alpha_weight_decay.has_value());
  CHECK(own.alpha_positive);
  CHECK(own.input);
  CHECK(own.inside);
  CHECK(own.after_add);
  CHECK(own.branch_output);
  CHECK(own.pool_output);
  CHECK_FALSE(own.batch_norm_output);

  const KeyIndex quantizer = require_key("quant.weight.quantizer", "test");
  CHECK(settings_of("").fallback(quantizer) == Value("affine"));
  CHECK(settings_of("quant.scheme = \"aciq\"\n").fallback(quantizer) == Value("affine"));
  CHECK(settings_of(kHead).fallback(quantizer) == Value("tanh_symmetric"));
  CHECK(settings_of(kHead).place_of("quant.weight.quantizer") == "default");
}

TEST_CASE("every key of dorefa_pact arrives in its place") {
  const QuantConfig quant = trial_of(R"(
quant.weight = { quantizer = "dorefa", bits = [2, "none"] }
quant.activation = { quantizer = "pact", bits = 3, clamp_factor = 0.5, clip = 4, alpha_init = 7, alpha_penalty = 0, alpha_weight_decay = 0.25, alpha_positive = false }
quant.sites = { input = false, inside = false, after_add = false, branch_output = false, pool_output = false, batch_norm_output = true }
)")
                                .quant;
  CHECK(quant.weight.quantizer == "dorefa");
  CHECK(quant.weight.bits_per_layer == std::vector<int>{2, kUnquantizedBits});
  CHECK(quant.activation.quantizer == "pact");
  CHECK(quant.activation.bits == 3);
  const DorefaPactConfig& own = quant.dorefa_pact;
  CHECK(own.clamp_factor == 0.5);
  CHECK(own.clip == 4);
  CHECK(own.alpha_init == 7);
  CHECK(own.alpha_penalty == 0);
  CHECK(own.alpha_weight_decay == 0.25);
  CHECK_FALSE(own.alpha_positive);
  CHECK_FALSE(own.input);
  CHECK_FALSE(own.inside);
  CHECK_FALSE(own.after_add);
  CHECK_FALSE(own.branch_output);
  CHECK_FALSE(own.pool_output);
  CHECK(own.batch_norm_output);
}

TEST_CASE("learned steps have no penalty, and batch norms a width of 32") {
  const DorefaPactConfig lsq = trial_of("quant.activation.quantizer = \"lsq\"\n").quant.dorefa_pact;
  CHECK(lsq.alpha_penalty == 0);
  CHECK(lsq.alpha_positive);
  CHECK(lsq.gradient_bits == kUnquantizedBits);
  CHECK_FALSE(lsq.batch_norm_bits.has_value());
  const DorefaPactConfig fixed =
      trial_of("quant.batch_norm = { bits = 32, integer_bits = 10 }\nquant.gradient.bits = 6\n")
          .quant.dorefa_pact;
  CHECK(fixed.batch_norm_bits == 32);
  CHECK(fixed.batch_norm_integer_bits == 10);
  CHECK(fixed.gradient_bits == 6);
  CHECK_THROWS_MATCHES(
      trial_of("quant.batch_norm = { bits = 8, integer_bits = 10 }\n"), bitsweep::ConfigError,
      Catch::Matchers::MessageMatches(
          Catch::Matchers::ContainsSubstring("quant.batch_norm.integer_bits = 10 (x.toml:5:")));
}

TEST_CASE("distillation is part of a training's identity by what its file holds") {
  const std::string file =
      "train.distillation = { weights = \"t.safetensors\", temperature = 2 }\n";
  const Settings settings = settings_of(kHead + file);
  const auto key = [&](const char* digest) {
    return identify(settings, {{"train.distillation.weights", digest}}).key;
  };
  CHECK(key("a") == key("a"));
  CHECK(key("a") != key("b"));
  CHECK(key("a") != identity_of("").key);
  const DistillationConfig distillation = trial_of(file).train.distillation;
  CHECK(distillation.is_on());
  CHECK(distillation.temperature == 2);
  CHECK(distillation.weight == 1);
  // Without a teacher the rest is unused.
  CHECK(identity_of("train.distillation.temperature = 2\n").key == identity_of("").key);
}

TEST_CASE("a scheme's default is left out of identity, another scheme's is not") {
  const std::string plain = identity_of("").key;
  CHECK(identity_of("quant.weight.quantizer = \"tanh_symmetric\"\n").key == plain);
  CHECK(identity_of("quant.activation = { quantizer = \"mpact\", alpha_init = \"document\" }\n")
            .key == plain);
  CHECK(identity_of("quant.weight.quantizer = \"dorefa\"\n").key != plain);
  CHECK(identity_of("quant.preset = \"cfg-2\"\n").key != plain);
  CHECK(identity_of("quant.preset = \"cfg-1\"\n").canonical.find("preset") == std::string::npos);
  CHECK(identify(settings_of("quant = { scheme = \"aciq\", weight.quantizer = \"affine\" }\n"), {})
            .canonical == R"({"quant.scheme":"aciq"})");
}

TEST_CASE("keys of the other scheme, and of another quantizer, are dropped and listed") {
  CHECK(identity_of("quant.weight.granularity = \"channel\"\nquant.sites.logits_bits = 4\n"
                    "quant.calibration.images = 8\n")
            .unused_keys == std::vector<std::string>{"quant.calibration.images",
                                                     "quant.sites.logits_bits",
                                                     "quant.weight.granularity"});
  CHECK(identity_of("quant.activation.clip = 4\n").unused_keys ==
        std::vector<std::string>{"quant.activation.clip"});  // of pact_fixed
  CHECK(identity_of("quant.activation = { quantizer = \"dorefa_clamp\", alpha_init = 4 }\n")
            .unused_keys == std::vector<std::string>{"quant.activation.alpha_init"});
  CHECK(identify(settings_of("quant = { scheme = \"aciq\", sites.after_add = false }\n"), {})
            .unused_keys == std::vector<std::string>{"quant.sites.after_add"});
}

TEST_CASE("a stored dorefa_pact configuration has the key of the trial it came from") {
  const Settings settings = settings_of(kHead + "quant.preset = \"cfg-1*\"\n");
  const Settings stored = Settings::from_json(nlohmann::json::parse(settings.to_json().dump()));
  CHECK(identify(stored, {}).key == identify(settings, {}).key);
  CHECK_NOTHROW(to_trial(stored));
}

TEST_CASE("words of the wrong scheme and wrong values are refused by name") {
  struct Case {
    const char* keys;
    const char* expected;
  };
  const Case cases[] = {
      {"quant.weight.quantizer = \"symmetric\"",
       "x.toml:5:26: quant.weight.quantizer = \"symmetric\" is none of scheme 'dorefa_pact'; "
       "expected one of tanh_symmetric, dorefa"},
      {"quant.activation.quantizer = \"mpcat\"", "did you mean \"mpact\"?"},
      {"quant.activation.alpha_init = \"documen\"", "a number of at least 1e-06, or \"document\""},
      {"quant.activation.alpha_init = 0", "quant.activation.alpha_init = 0"},
      {"quant.activation.alpha_penalti = 0", "did you mean 'quant.activation.alpha_penalty'?"},
      {"quant.sites.after_ad = true", "did you mean 'quant.sites.after_add'?"},
      {"quant.gradient.bits = 17", "an integer from 1 to 16, or \"none\""},
      {"quant.batch_norm.bits = \"none\"", "an integer from 2 to 32"},
      {"quant.sites.input_quantizer = \"mpact\"", "quant.sites.input_quantizer = \"mpact\""},
      {"quant.preset = \"cfg-4\"", "did you mean \"cfg-"},
      {"quant.preset = \"submission2019\"",
       "x.toml:5:16: quant.preset = \"submission2019\" is of scheme 'aciq', not of 'dorefa_pact'"},
      {"quant.preset = \"cfg-2*\"",
       "has no lists for network 'toynet'; it is for resnet20, mobilenetv2_cifar"},
      {"[[layer]]\nmatch = \"fc\"\nweight.quantizer = \"affine\"",
       "is none of scheme 'dorefa_pact'"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.keys);
    const std::string message = config_error([&] { trial_of(std::string(c.keys) + "\n"); });
    CAPTURE(message);
    CHECK(contains(message, c.expected));
  }
  CHECK(contains(config_error([] {
                   to_trial(
                       settings_of("model.name = \"resnet20\"\ndata.name = \"cifar10\"\n"
                                   "quant = { scheme = \"aciq\", activation.quantizer = "
                                   "\"mpact\" }\n"));
                 }),
                 "is none of scheme 'aciq'; expected one of affine, symmetric"));
}

TEST_CASE("a preset's lists are the network's own") {
  const auto widths = [](const std::string& head) {
    return settings_of(head + "quant.preset = \"cfg-1*\"\n").get("quant.activation.bits");
  };
  CHECK(widths(kHead) == Value(List{"none", 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 16}));
  CHECK(widths("model.name = \"resnet20\"\nquant.scheme = \"dorefa_pact\"\n") == Value(8));
  CHECK(settings_of(kHead + "quant.preset = \"cfg-1*\"\nquant.activation.bits = 4\n")
            .get("quant.activation.bits") == Value(4));
}
