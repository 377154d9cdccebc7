// The configuration rows of the list of bad inputs: each is refused in one sentence that says
// where, which key, which value and what was expected.
#include "support.h"

using namespace bitsweep::config;

namespace {

struct Case {
  const char* toml;
  std::vector<std::string_view> message;  // parts of it, the place first
};

void check_refused(const Case& c) {
  INFO(c.toml);
  const std::string message = config_error([&] { settings_of(c.toml); });
  INFO(message);
  CHECK(message.starts_with(c.message.front()));
  CHECK_FALSE(contains(message, "\n"));
  for (const std::string_view part : c.message) CHECK(contains(message, part));
}

}  // namespace

TEST_CASE("an unknown key is refused with its neighbours and the nearest") {
  check_refused({"quant.weight.bit = 4",
                 {"x.toml:1:14: ", "unknown key 'quant.weight.bit'",
                  "did you mean 'quant.weight.bits'?", "known here: quant.weight."}});
  check_refused({"[qaunt.weight]\nbits = 4",
                 {"x.toml:2:1: ", "unknown key 'qaunt.weight.bits'", "'quant.weight.bits'"}});
  check_refused({"sede = 1", {"x.toml:1:1: ", "unknown key 'sede' (did you mean 'seed'?)"}});
  check_refused({"quant.grad_input.bits = 4",
                 {"x.toml:1:18: ", "unknown key 'quant.grad_input.bits'",
                  "known here: quant.activation.*, quant.batch_norm.*, "
                  "quant.batch_norm_reestimation, quant.calibration.*"}});
  check_refused({"elephant = 4", {"x.toml:1:1: ", "known here: budget.*, data.*, eval.*, kind"}});
  check_refused({"model.name.x = 4", {"x.toml:1:12: ", "unknown key 'model.name.x'"}});
}

TEST_CASE("a width that is none is refused with the range") {
  for (const char* value : {"0", "-3", "33", "17", "4.5", "\"four\"", "true", "nan", "inf", "[]",
                            "[8, 0]", "[[8]]", "{ a = 4 }", "-9223372036854775808", "1e300"}) {
    const std::string toml = std::string("quant.weight.bits = ") + value;
    INFO(toml);
    const std::string message = config_error([&] { settings_of(toml); });
    INFO(message);
    CHECK(message.starts_with("x.toml:1:"));
    CHECK(contains(message, "quant.weight.bits"));
  }
  check_refused({"quant.weight.bits = 33",
                 {"x.toml:1:21: ", "quant.weight.bits = 33 is not allowed",
                  "expected an integer from 1 to 16, or \"none\""}});
  check_refused({"quant.weight.bits = 4.5", {"x.toml:1:21: ", "= 4.5 is not allowed"}});
  check_refused({"quant.weight.bits = \"noen\"", {"x.toml:1:21: ", "did you mean \"none\"?"}});
  check_refused({"quant.weight.bits = 9223372036854775808", {"x.toml:1:"}});
}

TEST_CASE("an unknown word is refused with the valid ones and the nearest") {
  check_refused(
      {"quant.weight.granularity = \"NXZ\"",
       {"x.toml:1:28: ", "quant.weight.granularity = \"NXZ\"", "one of \"tensor\", \"channel\""}});
  check_refused({"quant.activation.clipping = \"exp\"",
                 {"x.toml:1:29: ", "\"none\", \"laplace\", \"gauss\", \"mix\", \"std:P\""}});
  check_refused(
      {"quant.activation.clipping = \"laplce\"", {"x.toml:1:29: ", "did you mean \"laplace\"?"}});
  for (const char* word : {"std:", "std:-1", "std:x", "std:nan", "std:1x"}) {
    const std::string toml = "quant.activation.clipping = \"" + std::string(word) + "\"";
    check_refused({toml.c_str(), {"x.toml:1:29: ", "is not allowed"}});
  }
  check_refused(
      {"quant.activation.observer = \"cosine\"",
       {"x.toml:1:18: ", "unknown key 'quant.activation.observer'", "quant.activation.range"}});
  check_refused(
      {"quant.preset = \"submission2018\"", {"x.toml:1:16: ", "did you mean \"submission2019\"?"}});
  check_refused({"kind = \"trian\"", {"x.toml:1:8: ", "did you mean \"train\"?"}});
}

TEST_CASE("numbers of training and batches are checked whatever the kind") {
  check_refused({"train.lr = -0.1", {"x.toml:1:12: ", "train.lr = -0.1", "of at least 0"}});
  check_refused({"train.lr = nan", {"x.toml:1:12: ", "train.lr = nan"}});
  check_refused({"train.lr = inf", {"x.toml:1:12: ", "train.lr = inf"}});
  check_refused({"train.batch_size = 0", {"x.toml:1:20: ", "an integer of at least 1"}});
  check_refused({"eval.batch_size = 0", {"x.toml:1:19: ", "an integer of at least 1"}});
  check_refused({"train.epochs = -1", {"x.toml:1:16: ", "an integer of at least 0"}});
  check_refused({"train.momentum = 1.5", {"x.toml:1:18: ", "a number from 0 to 1"}});
  CHECK_NOTHROW(settings_of("train = { lr = 0.1, epochs = 10, milestones = [5, 8] }"));
}

TEST_CASE("calibration with no images is refused") {
  check_refused({"quant.calibration.images = 0",
                 {"x.toml:1:28: ", "quant.calibration.images = 0", "at least 1"}});
}

TEST_CASE("a value of the wrong type is refused with what was expected") {
  check_refused({"eval.shuffle = \"yes\"", {"x.toml:1:16: ", "expected true or false"}});
  check_refused({"eval.shuffle = 1", {"x.toml:1:16: ", "expected true or false"}});
  check_refused({"model.name = 20", {"x.toml:1:14: ", "expected the name of a model"}});
  check_refused({"model.name = \"\"", {"x.toml:1:14: ", "expected the name of a model"}});
  check_refused({"model.weights = true", {"x.toml:1:17: ", "expected a path"}});
  check_refused({"seed = \"1\"", {"x.toml:1:8: ", "expected an integer"}});
  check_refused({"seed = [1, 2]", {"x.toml:1:8: ", "expected an integer"}});
  check_refused({"seed = [{ a = 1 }]", {"x.toml:1:8: ", "expected an integer"}});
  check_refused({"quant.weight = 4", {"x.toml:1:", "unknown key 'quant.weight'"}});
  check_refused({"budget.trial_timeout = \"soon\"", {"x.toml:1:24: ", "budget.trial_timeout"}});
  check_refused({"data.normalize = { mean = [0, 0, 0] }", {"x.toml:1:18: ", "data.normalize"}});
  check_refused({"data.normalize = { mean = [0, 0, 0], std = [1, 0, 1] }", {"x.toml:1:18: "}});
  check_refused({"data.normalize = { mean = [0, 0], std = [1, 1] }", {"x.toml:1:18: "}});
}

TEST_CASE("a very long value is cut in the message") {
  const std::string toml = "quant.weight.granularity = \"" + std::string(5000, 'x') + "\"";
  CHECK(config_error([&] { settings_of(toml); }).size() < 400);
}

TEST_CASE("a layer rule that cannot be meant is refused with its place") {
  check_refused({"[[layer]]\nmatch = \"conv(\"\nweight.bits = 8",
                 {"x.toml:2:9: ", "match = \"conv(\"", "no valid regular expression"}});
  check_refused({"[[layer]]\nweight.bits = 8", {"x.toml:1:", "needs match"}});
  check_refused({"[[layer]]\nmatch = 4\nweight.bits = 8", {"x.toml:2:9: ", "needs match"}});
  check_refused({"[[layer]]\nmatch = \"fc\"", {"x.toml:2:9: ", "sets nothing"}});
  check_refused({"[[layer]]\nmatch = \"\"\nweight.bits = 8", {"x.toml:2:9: ", "0 characters"}});
  check_refused({"[[layer]]\nmatch = \"fc\"\nweight.bit = 8",
                 {"x.toml:3:8: ", "did you mean 'quant.weight.bits'?"}});
  check_refused({"[[layer]]\nmatch = \"fc\"\nweight.bits = 99", {"x.toml:3:15: ", "from 1 to 16"}});
  check_refused({"[[layer]]\nmatch = \"fc\"\nweight.bits = [8]", {"x.toml:3:15: ", "one value"}});
  check_refused({"[[layer]]\nmatch = \"fc\"\nsites.fused_relu = false",
                 {"x.toml:3:20: ", "cannot set 'quant.sites.fused_relu'"}});
  check_refused({"[layer]\nmatch = \"fc\"", {"x.toml:1:", "[[layer]]"}});
  const std::string pattern(100000, 'a');
  const std::string toml = "[[layer]]\nmatch = \"" + pattern + "\"\nweight.bits = 8";
  check_refused({toml.c_str(), {"x.toml:2:9: ", "100000 characters"}});
}

TEST_CASE("a pattern of a thousand brackets or stars is a rule or an error, never a crash") {
  for (const std::string& piece : {std::string("("), std::string("(a*)*"), std::string("["),
                                   std::string("(?:"), std::string("a{9}{9}")}) {
    std::string pattern;
    while (pattern.size() + piece.size() <= 1000) pattern += piece;
    try {
      settings_of("[[layer]]\nmatch = '" + pattern + "'\nweight.bits = 8");
    } catch (const bitsweep::ConfigError& error) {
      CHECK(std::string_view(error.what()).starts_with("x.toml:2:9: "));
    }
  }
}
