#include "config/identity.h"
#include "config/trial.h"
#include "support.h"

using namespace bitsweep::config;

namespace {

TrialConfig trained(const std::string& more) {
  return to_trial(
      settings_of("kind = \"train\"\nmodel.name = \"resnet20\"\ndata.name = \"cifar10\"\n" + more));
}

std::string refused(const std::string& more) {
  return config_error([&] { trained(more); });
}

std::string key_of(const std::string& more) {
  return identify(settings_of("kind = \"train\"\n" + more), {}).key;
}

}  // namespace

TEST_CASE("a training without further keys is 30 epochs of SGD on a cosine") {
  const TrialConfig trial = trained("");
  CHECK(trial.kind == TrialKind::train);
  CHECK(trial.model.weights.empty());  // from scratch
  const TrainConfig& train = trial.train;
  CHECK(train.epochs == 30);
  CHECK_FALSE(train.max_steps.has_value());
  CHECK(train.batch_size == 128);
  CHECK(train.optimizer == "sgd");
  CHECK(train.lr == 0.1);
  CHECK(train.momentum == 0.9);
  CHECK_FALSE(train.nesterov);
  CHECK(train.beta1 == 0.9);
  CHECK(train.beta2 == 0.999);
  CHECK(train.epsilon == 1e-8);
  CHECK(train.weight_decay == 5e-4);
  CHECK(train.decay_norm_and_bias);
  CHECK(train.schedule == "cosine");
  CHECK(train.schedule_unit == "epoch");
  CHECK(train.lr_floor == 0);
  CHECK(train.milestones.empty());
  CHECK(train.rates.empty());
  CHECK(train.gamma == 0.1);
  CHECK(train.warmup_epochs == 0);
  CHECK(train.label_smoothing == 0);
  CHECK(train.precision == Precision::fp32);
  CHECK(train.select == "last");
  CHECK(train.augment);
  CHECK(train.eval_every == 1);
  CHECK(train.log_every == 10);
}

TEST_CASE("every key of training arrives in its place") {
  const TrialConfig trial = trained(R"(
data.validation_images = 5000
data.augment = false
[train]
epochs = 12
max_steps = 700
batch_size = 64
optimizer = "adam"
lr = 0.002
momentum = 0.5
nesterov = true
beta1 = 0.5
beta2 = 0.99
epsilon = 1e-6
weight_decay = 0
decay_norm_and_bias = false
schedule = "piecewise"
schedule_unit = "step"
lr_floor = 0.001
milestones = [4, 8]
rates = [0.001, 1]
gamma = 0.97
warmup_epochs = 0.5
label_smoothing = 0.1
precision = "bf16"
select = "best_validation"
eval_every = 2
log_every = 50
)");
  const TrainConfig& train = trial.train;
  CHECK(trial.data.validation_images == 5000);
  CHECK(train.epochs == 12);
  CHECK(train.max_steps == 700);
  CHECK(train.batch_size == 64);
  CHECK(train.optimizer == "adam");
  CHECK(train.lr == 0.002);
  CHECK(train.momentum == 0.5);
  CHECK(train.nesterov);
  CHECK(train.beta1 == 0.5);
  CHECK(train.beta2 == 0.99);
  CHECK(train.epsilon == 1e-6);
  CHECK(train.weight_decay == 0);
  CHECK_FALSE(train.decay_norm_and_bias);
  CHECK(train.schedule == "piecewise");
  CHECK(train.schedule_unit == "step");
  CHECK(train.lr_floor == 0.001);
  CHECK(train.milestones == std::vector<std::int64_t>{4, 8});
  CHECK(train.rates == std::vector<double>{0.001, 1});
  CHECK(train.gamma == 0.97);
  CHECK(train.warmup_epochs == 0.5);
  CHECK(train.label_smoothing == 0.1);
  CHECK(train.precision == Precision::bf16);
  CHECK(train.select == "best_validation");
  CHECK_FALSE(train.augment);
  CHECK(train.eval_every == 2);
  CHECK(train.log_every == 50);
}

TEST_CASE("one milestone needs no list") {
  CHECK(trained("train = { schedule = \"multistep\", milestones = 20 }\n").train.milestones ==
        std::vector<std::int64_t>{20});
}

TEST_CASE("keys of training that contradict each other are refused with their places") {
  struct Case {
    const char* keys;
    const char* expected;
  };
  const Case cases[] = {
      {"train.max_steps = 0",
       "x.toml:4:19: train.max_steps = 0 is not allowed; expected an integer"},
      {"train.schedule = \"multistep\"",
       "x.toml:4:18: train.schedule = \"multistep\" needs train.milestones, which is not set"},
      {"train = { schedule = \"multistep\", milestones = [8, 4] }",
       "train.milestones = [8, 4] is not ascending"},
      {"train = { schedule = \"multistep\", milestones = [4, 4] }", "is not ascending"},
      {"train = { schedule = \"piecewise\", milestones = [4, 8], rates = [0.01] }",
       "train.rates has 1 entries for 2 milestones (x.toml:4:48); expected one for each"},
      {"train = { schedule = \"piecewise\", milestones = [4, 8] }", "train.rates has 0 entries"},
      {"train = { lr = 0.01, lr_floor = 0.1 }",
       "train.lr_floor = 0.1 (x.toml:4:33) is above train.lr = 0.01 (x.toml:4:16)"},
      {"train = { epochs = 2, warmup_epochs = 3 }",
       "is longer than the training, train.epochs = 2"},
      {"train = { nesterov = true, momentum = 0 }", "needs a momentum"},
      {"train.select = \"best_validation\"",
       "x.toml:4:16: train.select = \"best_validation\" needs data.validation_images"},
      {"train = { select = \"best_test\", eval_every = 0 }", "has one evaluation to choose from"},
      {"data.train_images = 500\ndata.validation_images = 500", "leaves none of"},
      {"train.select = \"best_tset\"", "did you mean \"best_test\"?"},
      {"train.optimizer = \"sdg\"", "did you mean \"sgd\"?"},
      {"train.schedule = \"cosin\"", "did you mean \"cosine\"?"},
      {"train.warmup_epoch = 1", "did you mean 'train.warmup_epochs'?"},
  };
  for (const Case& c : cases) {
    CAPTURE(c.keys);
    const std::string message = refused(c.keys);
    CAPTURE(message);
    CHECK(contains(message, c.expected));
  }
}

TEST_CASE("keys of training count where they have an effect, and nowhere else") {
  CHECK(key_of("train.epochs = 30\n") == key_of(""));
  CHECK(key_of("train.epochs = 31\n") != key_of(""));
  CHECK(key_of("data.augment = false\n") != key_of(""));
  CHECK(key_of("data.train_images = 500\n") != key_of(""));
  CHECK(key_of("train.beta1 = 0.5\n") == key_of(""));  // of adam
  CHECK(key_of("train.optimizer = \"adam\"\ntrain.momentum = 0\n") ==
        key_of("train.optimizer = \"adam\"\n"));
  CHECK(key_of("train.gamma = 0.5\n") == key_of(""));  // of multistep and exponential
  const Identity ptq = identify(settings_of("train.epochs = 3\ndata.augment = false\n"), {});
  CHECK(ptq.canonical == "{}");
  CHECK(ptq.unused_keys == std::vector<std::string>{"data.augment", "train.epochs"});
}

TEST_CASE("calibration images are not asked of a training") {
  CHECK_FALSE(calibrates(trained("data.train_images = 100\n")));
}
