#include "config/keys.h"

#include <fmt/format.h>

#include "config/presets.h"

namespace bitsweep::config {
namespace {

const char* const kAciq = "quant.scheme == \"aciq\"";
const char* const kQuantizes = "quant.scheme in [\"aciq\", \"dorefa_pact\"]";
const char* const kCalibrated =
    "quant.scheme == \"aciq\" and quant.calibration.statistics == \"calibrated\"";
const char* const kDynamic =
    "quant.scheme == \"aciq\" and quant.calibration.statistics == \"dynamic\"";
const char* const kCifarResnet =
    "model.name in [\"resnet20\", \"resnet32\", \"resnet44\", \"resnet56\"]";
const char* const kMobileNet = "model.name ~ \"mobilenet_v*\"";

void add_top(std::vector<Key>& keys) {
  keys.push_back({.name = "kind",
                  .type = Type::word,
                  .fallback = "ptq",
                  .doc = "what the trial does: post-training quantization (or plain evaluation, "
                         "scheme `none`), training, analysis",
                  .words = {"ptq", "train"},
                  .later_words = {"analysis"}});
  // A replicate is a replicate, also where nothing random is asked for.
  keys.push_back({.name = "seed",
                  .type = Type::integer,
                  .fallback = 0,
                  .doc = "of every random stream; usually set by `[seeds]`",
                  .min = 0,
                  .max = kMaxCount});
}

void add_model(std::vector<Key>& keys) {
  keys.push_back({.name = "model.name",
                  .type = Type::name,
                  .doc = "the network (`bitsweep list models`)",
                  .family = "model"});
  keys.push_back({.name = "model.file",
                  .type = Type::path,
                  .doc = "an ONNX network of one's own with its weights, instead of a name "
                         "(docs/onnx.md); found as `model.weights` is",
                  .role = Role::content});
  keys.push_back({.name = "model.weights",
                  .type = Type::path,
                  .doc = "a safetensors file or PyTorch state dictionary (.pth, .pt, .th), "
                         "relative to the file it is named in, then in the "
                         "data search path; or `stage:NAME`, `trial:KEY`; training without them "
                         "starts from scratch",
                  .role = Role::content});
  keys.push_back(count_key("model.num_classes", {}, "", "outputs; unset: those of the data set"));
  keys.push_back({.name = "model.shortcut",
                  .type = Type::word,
                  .fallback = "A",
                  .doc = "shortcut where a residual block changes shape: A subsamples and pads "
                         "with zeros, B is a 1×1 convolution",
                  .words = {"A", "B"},
                  .used_when = kCifarResnet});
  keys.push_back({.name = "model.post_add_relu",
                  .type = Type::boolean,
                  .fallback = true,
                  .doc = "a ReLU after each residual addition; false is document 002's network, "
                         "whose activation quantizers clamp in its place",
                  .used_when = kCifarResnet});
  keys.push_back(
      {.name = "model.width",
       .type = Type::real,
       .fallback = 1.0,
       .doc = "multiplies the numbers of channels; `bitsweep describe` lists a network's",
       .min = 0.01,
       .max = 100,
       .used_when = kMobileNet});
  keys.push_back({.name = "model.padding",
                  .type = Type::word,
                  .doc = "padding of convolutions: `symmetric` as PyTorch, `same` as TensorFlow; "
                         "unset: the network's own",
                  .words = {"symmetric", "same"},
                  .used_when = kMobileNet});
  keys.push_back({.name = "model.batch_norm",
                  .type = Type::boolean,
                  .fallback = true,
                  .doc = "false for weights with batch norms folded in: convolutions have biases "
                         "in their place",
                  .used_when = kMobileNet});
}

void add_data(std::vector<Key>& keys) {
  const std::string picks = "data.train_images != null or data.test_images != null";
  keys.push_back({.name = "data.name",
                  .type = Type::name,
                  .doc = "the data set (`bitsweep list data`)",
                  .family = "data set",
                  .role = Role::dataset});
  keys.push_back({.name = "data.root",
                  .type = Type::path,
                  .doc = "its folder; unset: the data search path",
                  .role = Role::nothing});
  keys.push_back(count_key(
      "data.train_images", {},
      fmt::format("{} or eval.split == \"validation\" or {} and quant.calibration.source == "
                  "\"train\"",
                  kTrains, kCalibrated),
      "training images; unset: all"));
  keys.push_back(count_key("data.test_images", {}, "", "test images; unset: all"));
  keys.push_back(count_key("data.validation_images", {},
                           fmt::format("{} or eval.split == \"validation\"", kTrains),
                           "training images held back for validation; unset: none"));
  keys.push_back({.name = "data.subset",
                  .type = Type::word,
                  .fallback = "first",
                  .doc = "which images a smaller number takes: the first in file order, or the "
                         "first of each class in equal shares",
                  .words = {"first", "stratified"},
                  .used_when = picks});
  keys.push_back({.name = "data.augment",
                  .type = Type::boolean,
                  .fallback = true,
                  .doc = "random crop and flip while training",
                  .used_when = kTrains});
  keys.push_back({.name = "data.normalize",
                  .type = Type::normalize,
                  .fallback = "auto",
                  .doc = "input normalisation; `auto` is the data set's own; a table gives mean "
                         "and standard deviation of x / 255",
                  .words = {"auto", "cifar10", "cifar100", "imagenet", "raw", "tf", "caffe"}});
  keys.push_back({.name = "data.image_size",
                  .type = Type::integer,
                  .doc = "edge in pixels that images are scaled to, where the data set scales them "
                         "(`imagenet`): the short edge to 256, or to this where it is larger, then "
                         "the middle; unset: what the network reads",
                  .min = 1,
                  .max = 8192});
}

// Keys that weights and activations have in common; `tensor` is "quant.weight" or
// "quant.activation".
void add_tensor(std::vector<Key>& keys, const std::string& tensor, const char* granularity) {
  const std::string allocated =
      std::string(kAciq) + " and " + tensor + ".bit_allocation != \"none\"";
  keys.push_back({.name = tensor + ".bits",
                  .type = Type::integer,
                  .fallback = 8,
                  .doc = "width; `\"none\"` (or 32) leaves it in float32; a list gives one width "
                         "per convolution and linear layer or, with `dorefa_pact`, per entry of "
                         "the network's lists (docs/dorefa_pact.md)",
                  .min = 1,
                  .max = 16,
                  .words = {"none"},
                  .list = true,
                  .used_when = kQuantizes});
  keys.push_back({.name = tensor + ".granularity",
                  .type = Type::word,
                  .fallback = granularity,
                  .doc = "one grid for the tensor, or one per output channel",
                  .words = {"tensor", "channel"},
                  .used_when = kAciq});
  keys.push_back(
      {.name = tensor + ".rounding",
       .type = Type::word,
       .fallback = "nearest",
       .doc = "rounding to the grid; `stochastic` draws by the seed, for activations also by "
              "the image",
       .words = {"nearest", "stochastic"},
       .used_when = kAciq});
  keys.push_back({.name = tensor + ".ties",
                  .type = Type::word,
                  .fallback = "even",
                  .doc = "where a value half way between two codes goes; `by_path` (document 004's "
                         "simulator): away where per tensor and unclipped, else even",
                  .words = {"even", "away", "by_path"},
                  .used_when = kAciq});
  keys.push_back({.name = tensor + ".power_of_two_scale",
                  .type = Type::boolean,
                  .fallback = false,
                  .doc = "scales rounded up to powers of two",
                  .used_when = kAciq});
  keys.push_back({.name = tensor + ".bit_allocation",
                  .type = Type::word,
                  .fallback = "none",
                  .doc = "widths per channel from the spread of each",
                  .words = {"none", "round", "ceil", "exact", "ceil_2019"},
                  .used_when = kAciq});
  keys.push_back({.name = tensor + ".allocation_prior",
                  .type = Type::word,
                  .fallback = "std",
                  .doc = "the spread that allocation goes by",
                  .words = {"std", "b", "range"},
                  .used_when = allocated});
  keys.push_back({.name = tensor + ".average_bits",
                  .type = Type::real,
                  .doc = "the mean width that allocation and quantizer `mid_tread` aim at; unset: "
                         "bits",
                  .min = 0,
                  .max = 16,
                  .used_when = std::string(kAciq) + " and (" + tensor +
                               ".bit_allocation != \"none\" or " + tensor +
                               ".quantizer == \"mid_tread\")"});
  keys.push_back({.name = tensor + ".allocation_max_bits",
                  .type = Type::integer,
                  .fallback = 8,
                  .doc = "tensors wider than this are not allocated",
                  .min = 1,
                  .max = 16,
                  .used_when = allocated});
  keys.push_back({.name = tensor + ".zero_bits",
                  .type = Type::word,
                  .fallback = "mean",
                  .doc = "what a channel of 0 bits becomes",
                  .words = {"mean", "lower_end"},
                  .used_when = allocated});
}

// The quantizers of a tensor, scheme by scheme. Another scheme than these has the first one's
// default, unused.
Key quantizer_key(const std::string& tensor, std::vector<SchemeWords> by_scheme) {
  Key key{.name = tensor + ".quantizer",
          .type = Type::word,
          .fallback = by_scheme.front().fallback,
          .doc = "the grid of codes",
          .by_scheme = std::move(by_scheme),
          .used_when = kQuantizes};
  for (const SchemeWords& scheme : key.by_scheme) {
    key.words.insert(key.words.end(), scheme.words.begin(), scheme.words.end());
    key.later_words.insert(key.later_words.end(), scheme.later_words.begin(),
                           scheme.later_words.end());
  }
  return key;
}

void add_quant(std::vector<Key>& keys) {
  keys.push_back({.name = "quant.scheme",
                  .type = Type::name,
                  .fallback = "none",
                  .doc = "the quantization scheme (`bitsweep list schemes`); `none` is float32",
                  .family = "scheme"});
  // Identity is by what a preset resolves to.
  keys.push_back({.name = "quant.preset",
                  .type = Type::word,
                  .doc = "a document's own settings by name; whatever is set explicitly wins",
                  .words = preset_names(),
                  .role = Role::nothing,
                  .used_when = kQuantizes});
  keys.push_back({.name = "quant.fold_batch_norm",
                  .type = Type::boolean,
                  .fallback = true,
                  .doc = "fold batch norms into the convolutions before quantizing",
                  .used_when = kAciq});

  add_tensor(keys, "quant.weight", "channel");
  keys.push_back(quantizer_key(
      "quant.weight", {{"aciq", "affine", {"affine", "symmetric", "mid_tread", "kmeans"}, {}},
                       {"dorefa_pact", "tanh_symmetric", {"tanh_symmetric", "dorefa"}, {}}}));
  keys.push_back({.name = "quant.weight.bias_correction",
                  .type = Type::word,
                  .fallback = "none",
                  .doc = "correction of the mean and variance that quantization shifts",
                  .words = {"none", "mean", "variance", "mean_variance", "paper"},
                  .used_when = kAciq});

  add_tensor(keys, "quant.activation", "tensor");
  keys.push_back(quantizer_key(
      "quant.activation",
      {{"aciq", "affine", {"affine", "symmetric", "mid_tread"}, {}},
       {"dorefa_pact", "mpact", {"mpact", "pact", "pact_fixed", "dorefa_clamp", "lsq"}, {}}}));
  keys.push_back({.name = "quant.activation.bias_correction",
                  .type = Type::word,
                  .fallback = "none",
                  .doc = "correction of the mean that quantization shifts",
                  .words = {"none", "mean"},
                  .used_when = kAciq});
  keys.push_back({.name = "quant.activation.range",
                  .type = Type::word,
                  .fallback = "minmax",
                  .doc = "the range of a batch: its extremes or, where per tensor, the mean of the "
                         "extremes of its samples",
                  .words = {"minmax", "sample_mean"},
                  .used_when = kAciq});
  keys.push_back({.name = "quant.activation.clipping",
                  .type = Type::word,
                  .fallback = "none",
                  .doc = "how the range is narrowed",
                  .words = {"none", "laplace", "gauss", "mix", "std:P", "percentile", "mse", "kl"},
                  .used_when = kAciq});
  keys.push_back(
      {.name = "quant.activation.percentile",
       .type = Type::real,
       .fallback = 99.99,
       .doc = "of clipping `percentile`, in percent",
       .min = 50,
       .max = 100,
       .used_when = std::string(kAciq) + " and quant.activation.clipping == \"percentile\""});
  keys.push_back({.name = "quant.activation.clipping_constants",
                  .type = Type::word,
                  .fallback = "exact",
                  .doc = "the analytic constants, or as printed in 2019",
                  .words = {"exact", "two_decimals"},
                  .used_when = std::string(kAciq) +
                               " and quant.activation.clipping in [\"laplace\", \"gauss\", "
                               "\"mix\"]"});
}

void add_sites(std::vector<Key>& keys) {
  const auto site = [&](const char* name, const char* word, Value fallback, const char* doc) {
    keys.push_back({.name = std::string("quant.sites.") + name,
                    .type = Type::integer,
                    .fallback = std::move(fallback),
                    .doc = doc,
                    .min = 1,
                    .max = 16,
                    .words = {word},
                    .used_when = kAciq});
  };
  keys.push_back({.name = "quant.sites.fused_relu",
                  .type = Type::boolean,
                  .fallback = true,
                  .doc = "a ReLU right behind a layer is performed by its quantizer, whose range "
                         "then begins at 0",
                  .used_when = kAciq});
  site("first_weight_bits", "same", 8, "width of the first layer's weights");
  keys.push_back({.name = "quant.sites.first_layers",
                  .type = Type::integer,
                  .fallback = 1,
                  .doc = "how many layers `first_weight_bits` is for, in execution order",
                  .min = 0,
                  .max = 1000,
                  .used_when = kAciq});
  site("last_weight_bits", "same", 8,
       "width of the classifier's weights: the last layer, where it reads no image but a vector");
  site("first_activation_bits", "same", "same",
       "width of the first layer's output; a number also makes it per tensor and unclipped");
  site("logits_bits", "none", 8, "width of the network's output, per tensor and unclipped");
  site("max_pool_bits", "none", 8, "width of max-pool outputs, per tensor and unclipped");
}

void add_calibration(std::vector<Key>& keys) {
  const std::string table = "quant.calibration";
  keys.push_back({.name = table + ".statistics",
                  .type = Type::word,
                  .fallback = "calibrated",
                  .doc = "activation ranges from calibration images beforehand, or from each "
                         "evaluation batch itself",
                  .words = {"calibrated", "dynamic"},
                  .used_when = kAciq});
  keys.push_back({.name = table + ".source",
                  .type = Type::word,
                  .fallback = "train",
                  .doc = "the images that calibrate",
                  .words = {"train", "test"},
                  .used_when = kCalibrated});
  keys.push_back({.name = table + ".order",
                  .type = Type::word,
                  .fallback = "first",
                  .doc = "the first in file order, or drawn by the seed",
                  .words = {"first", "random"},
                  .used_when = kCalibrated});
  keys.push_back(count_key(table + ".images", 512, kCalibrated, "number of calibration images"));
  keys.push_back(count_key(table + ".batch_size", 128, kCalibrated, "images a calibration batch"));
  keys.push_back({.name = table + ".over_batches",
                  .type = Type::word,
                  .fallback = "mean",
                  .doc = "ranges of several batches become their mean, or the widest",
                  .words = {"mean", "extreme"},
                  .used_when = kCalibrated});
}

void add_eval(std::vector<Key>& keys) {
  // Always part of identity: a float convolution may choose another summation order for it.
  keys.push_back(
      count_key("eval.batch_size", 500, "",
                "images an evaluation batch; decides results where statistics are dynamic"));
  keys.push_back({.name = "eval.shuffle",
                  .type = Type::boolean,
                  .fallback = false,
                  .doc = "evaluation batches drawn by the seed instead of in file order",
                  .used_when = kDynamic});
  keys.push_back({.name = "eval.split",
                  .type = Type::word,
                  .fallback = "test",
                  .doc =
                      "what is evaluated on: the test images, or `data.validation_images` of the "
                      "training images, for decisions that must not see the test set",
                  .words = {"test", "validation"},
                  .used_when = "kind == \"ptq\""});
  keys.push_back({.name = "eval.modes",
                  .type = Type::text,
                  .doc = "the precisions that document 000 evaluates",
                  .list = true,
                  .later = true});
}

void add_budget(std::vector<Key>& keys) {
  const auto integer = [&](const char* name, Value fallback, const char* doc) {
    keys.push_back({.name = std::string("budget.") + name,
                    .type = Type::integer,
                    .fallback = std::move(fallback),
                    .doc = doc,
                    .min = 0,
                    .max = 1000,
                    .role = Role::nothing});
  };
  keys.push_back({.name = "budget.trial_timeout",
                  .type = Type::duration,
                  .doc = "a trial that takes longer is stopped (`--timeout` wins); unset: never",
                  .role = Role::nothing});
  integer("retries", 1, "further attempts after a crash or a time-out (`--retries` wins)");
  integer("keep_checkpoints.last", 1, "checkpoints kept: the last so many");
  integer("keep_checkpoints.best", 1, "checkpoints kept: the best so many");
}

}  // namespace

Key count_key(std::string name, Value fallback, std::string used_when, std::string doc) {
  return {.name = std::move(name),
          .type = Type::integer,
          .fallback = std::move(fallback),
          .doc = std::move(doc),
          .min = 1,
          .max = kMaxCount,
          .used_when = std::move(used_when)};
}

std::vector<Key> key_rows() {
  std::vector<Key> keys;
  add_top(keys);
  add_model(keys);
  add_data(keys);
  add_train_keys(keys);
  add_quant(keys);
  add_sites(keys);
  add_dorefa_pact_keys(keys);
  add_refinement_keys(keys);
  add_calibration(keys);
  add_eval(keys);
  add_budget(keys);
  return keys;
}

}  // namespace bitsweep::config
