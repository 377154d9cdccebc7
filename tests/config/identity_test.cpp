#include "config/identity.h"

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>

#include "config/trial.h"
#include "core/hash.h"
#include "support.h"

using namespace bitsweep::config;

namespace {

std::string key_of(std::string_view toml) { return identify(settings_of(toml), {}).key; }

const std::string kAciq = "quant.scheme = \"aciq\"\n";

}  // namespace

TEST_CASE("the canonical form is sorted JSON without defaults") {
  const Identity identity = identify(
      settings_of("seed = 2\nquant.scheme = \"aciq\"\nmodel.name = \"resnet20\"\nquant.weight.bits "
                  "= 4\nquant.activation.bits = 8\n"),
      {});
  CHECK(identity.canonical ==
        R"({"model.name":"resnet20","quant.scheme":"aciq","quant.weight.bits":4,"seed":2})");
  CHECK(identity.key == bitsweep::sha256_hex(identity.canonical));
}

TEST_CASE("spelling, order, quoting and explicit defaults do not change the key") {
  const auto key = key_of(kAciq + "quant.weight.bits = 4\nseed = 1\n");
  CHECK(key == key_of(kAciq + "seed = 1\n[quant.weight]\nbits = 0x4\n"));
  CHECK(key == key_of("\"seed\" = 1\n\"quant.weight.bits\" = 4.0\n" + kAciq));
  CHECK(key == key_of(kAciq + "quant.weight.bits = 4\nseed = 1\neval.batch_size = 500\n"));
  CHECK(key != key_of(kAciq + "quant.weight.bits = 5\nseed = 1\n"));
}

TEST_CASE("a real key is one number in every spelling") {
  const std::string clip = kAciq + "quant.activation.clipping = \"percentile\"\n";
  const auto key = key_of(clip + "quant.activation.percentile = 99\n");
  CHECK(key == key_of(clip + "quant.activation.percentile = 99.0\n"));
  CHECK(key == key_of(clip + "quant.activation.percentile = 9.9e1\n"));
  CHECK(key != key_of(clip + "quant.activation.percentile = 99.5\n"));
}

TEST_CASE("32 bits and \"none\" are one width") {
  CHECK(key_of(kAciq + "quant.weight.bits = 32\n") ==
        key_of(kAciq + "quant.weight.bits = \"none\"\n"));
}

TEST_CASE("where data lies and how long a trial may take are left out") {
  const auto key = key_of("seed = 1\n");
  CHECK(key == key_of("seed = 1\ndata.root = \"/data\"\n"));
  CHECK(key == key_of("seed = 1\nbudget = { trial_timeout = \"2h\", retries = 5 }\n"));
}

TEST_CASE("weights are their content and a data set its records") {
  const auto a = settings_of("model.weights = \"a.safetensors\"\ndata.name = \"cifar10\"\n");
  const auto b = settings_of("model.weights = \"b.safetensors\"\ndata.name = \"cifar10\"\n");
  const Digests same = {{"model.weights", "11"}, {"data.name", "22"}};
  CHECK(identify(a, same).key == identify(b, same).key);
  CHECK(identify(a, same).canonical ==
        R"({"data.name":["cifar10","22"],"model.weights":{"sha256":"11"}})");
  CHECK(identify(a, {}).key != identify(b, {}).key);
  CHECK(identify(a, {}).canonical ==
        R"({"data.name":["cifar10",null],"model.weights":{"needs":"a.safetensors"}})");
  CHECK(identify(a, same).key != identify(a, {{"model.weights", "12"}, {"data.name", "22"}}).key);
}

TEST_CASE("keys without effect are dropped and listed") {
  const Identity fp32 = identify(settings_of("quant.weight.bits = 4\nquant.preset = "
                                             "\"submission2019\"\neval.shuffle = true\n"
                                             "train.lr = 0.1\nseed = 1\n"),
                                 {});
  CHECK(fp32.canonical == R"({"seed":1})");
  CHECK(fp32.unused_keys ==
        std::vector<std::string>{"eval.shuffle", "quant.preset", "quant.weight.bits", "train.lr"});
  const Identity dynamic = identify(
      settings_of(kAciq + "quant.calibration = { statistics = \"dynamic\", images = 64 }\n"), {});
  CHECK(dynamic.unused_keys == std::vector<std::string>{"quant.calibration.images"});
}

TEST_CASE("layer rules are part of identity in their order, and only where a scheme reads them") {
  const std::string a = "[[layer]]\nmatch = \"a\"\nweight.bits = 2\nactivation.bits = 3\n";
  const std::string b = "[[layer]]\nmatch = \"b\"\nweight.bits = 4\n";
  CHECK(
      identify(settings_of(kAciq + a + b), {}).canonical ==
      R"({"layer":[{"activation.bits":3,"match":"a","weight.bits":2},{"match":"b","weight.bits":4}],"quant.scheme":"aciq"})");
  CHECK(key_of(kAciq + a + b) != key_of(kAciq + b + a));
  const Identity fp32 = identify(settings_of(a), {});
  CHECK(fp32.canonical == "{}");
  CHECK(fp32.unused_keys == std::vector<std::string>{"layer"});
}

TEST_CASE("a canonical form is JSON whatever the strings hold") {
  Settings settings;
  settings.set("model.name", "a\"b\\c\n\x02é", "test");
  const auto json = nlohmann::json::parse(identify(settings, {}).canonical);
  CHECK(json["model.name"] == "a\"b\\c\n\x02é");
}

TEST_CASE("a stored configuration has the key of the trial it came from") {
  const Settings settings = settings_of(R"(
model = { name = "resnet20", shortcut = "B" }
data = { name = "cifar10", normalize = { mean = [0, 0, 0], std = [1, 1, 1] } }
quant = { scheme = "aciq", preset = "submission2019", activation.bits = 4 }
[[layer]]
match = "conv1"
weight.bits = 8
)");
  const Settings stored = Settings::from_json(nlohmann::json::parse(settings.to_json().dump()));
  CHECK(identify(stored, {}).key == identify(settings, {}).key);
}

TEST_CASE("ten thousand points are resolved to as many keys") {
  const Settings base = settings_of(R"(
model = { name = "resnet20", weights = "w.safetensors" }
data = { name = "cifar10", normalize = "imagenet" }
quant = { scheme = "aciq", preset = "submission2019" }
)");
  const Digests digests = {{"model.weights", std::string(64, 'a')},
                           {"data.name", std::string(64, 'b')}};
  std::vector<Settings> points;
  std::vector<Assignment> widths;
  for (int bits = 1; bits <= 16; ++bits) {
    widths.push_back(assignment("quant.weight.bits", bits, "axis"));
  }
  const auto start = std::clock();
  for (int seed = 0; seed < 625; ++seed) {
    const Assignment chosen_seed = assignment("seed", seed, "axis");
    for (const Assignment& width : widths) {
      Settings& point = points.emplace_back(base);
      point.apply(chosen_seed);
      point.apply(width);
    }
  }
  const auto combined = std::clock();
  std::vector<std::string> keys;
  for (const Settings& point : points) keys.push_back(identify(point, digests).key);
  const auto identified = std::clock();
  std::int64_t sum = 0;
  for (const Settings& point : points) sum += to_trial(point).quant.weight.bits;
  const auto typed = std::clock();

  CHECK(std::set<std::string>(keys.begin(), keys.end()).size() == 10000);
  CHECK(sum == 625 * 136);
  const auto ms = [](std::clock_t from, std::clock_t to) {
    return 1e3 * static_cast<double>(to - from) / CLOCKS_PER_SEC;
  };
  std::printf(
      "10,000 points: settings %.1f ms, identity %.1f ms, typed trials %.1f ms of one core\n",
      ms(start, combined), ms(combined, identified), ms(identified, typed));
}
