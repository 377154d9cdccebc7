#include "config/trial.h"

#include <nlohmann/json.hpp>

#include "support.h"

using namespace bitsweep::config;

namespace {

const std::string kNames = "model.name = \"resnet20\"\ndata.name = \"cifar10\"\n";

}  // namespace

TEST_CASE("a trial without further keys is a float32 evaluation with the documented defaults") {
  const TrialConfig trial = to_trial(settings_of(kNames));
  CHECK(trial.kind == TrialKind::ptq);
  CHECK(trial.quant.scheme == "none");
  CHECK(trial.model.weights.empty());
  CHECK(trial.model.shortcut.empty());
  CHECK(trial.model.post_add_relu);
  CHECK_FALSE(trial.data.test_images.has_value());
  CHECK(trial.data.normalize.name == "auto");
  CHECK(trial.eval.batch_size == 500);
  CHECK(trial.quant.calibration.images == 512);
  CHECK(trial.quant.weight.granularity == Granularity::channel);
  CHECK(trial.quant.activation.granularity == Granularity::tensor);
  CHECK(trial.quant.sites.first_weight_bits == 8);
  CHECK_FALSE(trial.quant.sites.first_activation_bits.has_value());
}

TEST_CASE("every key that a trial reads arrives in its place") {
  const TrialConfig trial = to_trial(settings_of(R"(
seed = 7
model = { name = "resnet20", weights = "w.safetensors", shortcut = "B", post_add_relu = false, num_classes = 5 }
eval = { batch_size = 100, shuffle = true }
[data]
name = "cifar10"
root = "/data"
train_images = 1000
test_images = 200
validation_images = 100
subset = "stratified"
normalize = { mean = [0.5, 0.25, 0], std = [1, 2, 4] }
[quant]
scheme = "aciq"
fold_batch_norm = false
weight = { bits = 4, quantizer = "symmetric", granularity = "tensor", ties = "away" }
activation = { bits = "none", granularity = "channel", range = "sample_mean", power_of_two_scale = true }
sites = { fused_relu = false, first_weight_bits = "same", last_weight_bits = 6, first_activation_bits = 7, logits_bits = "none", max_pool_bits = 5 }
calibration = { source = "test", order = "random", images = 128, batch_size = 64, over_batches = "extreme" }
[[layer]]
match = "conv1"
weight.bits = 8
)"));
  CHECK(trial.seed == 7);
  CHECK(trial.model.weights == "w.safetensors");
  CHECK(trial.model.shortcut == "B");
  CHECK_FALSE(trial.model.post_add_relu);
  CHECK(trial.model.num_classes == 5);
  CHECK(trial.data.root == "/data");
  CHECK(trial.data.train_images == 1000);
  CHECK(trial.data.test_images == 200);
  CHECK(trial.data.validation_images == 100);
  CHECK(trial.data.subset == "stratified");
  CHECK(trial.data.normalize.name == "custom");
  CHECK(trial.data.normalize.mean == std::array<double, 3>{0.5, 0.25, 0});
  CHECK(trial.data.normalize.std == std::array<double, 3>{1, 2, 4});
  CHECK_FALSE(trial.quant.fold_batch_norm);
  CHECK(trial.quant.weight.bits == 4);
  CHECK(trial.quant.weight.quantizer == "symmetric");
  CHECK(trial.quant.weight.granularity == Granularity::tensor);
  CHECK(trial.quant.weight.ties == Ties::away);
  CHECK(trial.quant.activation.bits == kUnquantizedBits);
  CHECK(trial.quant.activation.granularity == Granularity::channel);
  CHECK(trial.quant.activation.ties == Ties::even);
  CHECK(trial.quant.activation.range == "sample_mean");
  CHECK(trial.quant.activation.power_of_two_scale);
  CHECK_FALSE(trial.quant.sites.fused_relu);
  CHECK_FALSE(trial.quant.sites.first_weight_bits.has_value());
  CHECK(trial.quant.sites.last_weight_bits == 6);
  CHECK(trial.quant.sites.first_activation_bits == 7);
  CHECK(trial.quant.sites.logits_bits == kUnquantizedBits);
  CHECK(trial.quant.sites.max_pool_bits == 5);
  CHECK(trial.quant.calibration.source == "test");
  CHECK(trial.quant.calibration.order == "random");
  CHECK(trial.quant.calibration.images == 128);
  CHECK(trial.quant.calibration.batch_size == 64);
  CHECK(trial.quant.calibration.over_batches == "extreme");
  CHECK(trial.eval.batch_size == 100);
  CHECK(trial.eval.shuffle);
  REQUIRE(trial.quant.layers.size() == 1);
  CHECK(trial.quant.layers[0].match == "conv1");
}

TEST_CASE("a list of widths is one per layer, \"none\" included") {
  const TrialConfig trial =
      to_trial(settings_of(kNames + "quant.weight.bits = [8, 4, \"none\"]\n"));
  CHECK(trial.quant.weight.bits_per_layer == std::vector<int>{8, 4, kUnquantizedBits});
  CHECK(to_trial(settings_of(kNames)).quant.weight.bits_per_layer.empty());
}

TEST_CASE("a preset arrives resolved") {
  const TrialConfig trial = to_trial(settings_of(
      kNames +
      "quant = { scheme = \"aciq\", preset = \"submission2019\", activation.bits = 4 }\n"));
  CHECK(trial.quant.weight.granularity == Granularity::tensor);
  CHECK_FALSE(trial.quant.weight.ties.has_value());
  CHECK(trial.quant.activation.range == "minmax");
  CHECK(trial.quant.sites.first_activation_bits == 8);
}

TEST_CASE("a stored configuration becomes the same trial, defaults still the network's own") {
  const Settings settings = settings_of("model.name = \"toynet\"\ndata.name = \"cifar10\"\n");
  const TrialConfig trial = to_trial(Settings::from_json(settings.to_json()));
  CHECK(trial.model.name == "toynet");
  CHECK(trial.model.shortcut.empty());
  CHECK_FALSE(trial.data.test_images.has_value());
  CHECK(trial.quant.weight.bits == 8);
}

TEST_CASE("a trial without a model or a data set is refused by the key's name") {
  CHECK(contains(config_error([] { to_trial(settings_of("data.name = \"cifar10\"\n")); }),
                 "model.name is not set"));
  CHECK(contains(config_error([] { to_trial(settings_of("model.name = \"resnet20\"\n")); }),
                 "data.name is not set"));
}

TEST_CASE("what is not available yet does not become a trial") {
  CHECK(contains(config_error([] { to_trial(settings_of(kNames + "kind = \"analysis\"\n")); }),
                 "not available in this version"));
}

TEST_CASE("more calibration images than the configured set holds are refused with both places") {
  const auto message = config_error([] {
    to_trial(settings_of(kNames + "quant.scheme = \"aciq\"\ndata.train_images = 256\n"
                                  "quant.calibration.images = 512\n"));
  });
  CHECK(contains(message, "x.toml:5:28: quant.calibration.images = 512"));
  CHECK(contains(message, "data.train_images = 256 (x.toml:4:21)"));
  CHECK_NOTHROW(to_trial(settings_of(kNames + "data.train_images = 256\n")));  // float32
}
