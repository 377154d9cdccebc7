// The resolved configuration of one trial as typed structs: what the rooms that compute read.
// Filled once, at the edge, from validated settings (config/settings.h); names as in
// docs/config.md. Presets are resolved: nothing below asks for one.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"

namespace bitsweep::config {

inline constexpr int kUnquantizedBits = 32;  // `bits = "none"`

enum class TrialKind { train, ptq, analysis };
enum class Granularity { tensor, channel };
enum class Ties { even, away };
enum class Statistics { calibrated, dynamic };
enum class ClippingConstants { exact, two_decimals };  // the optimum, or as published in 2019
enum class ZeroBits { mean, lower_end };               // what a channel of 0 bits becomes
enum class Precision { fp32, bf16 };
enum class EvalSplit { test, validation };

struct ModelConfig {
  std::string name;      // registry word (models); "" where `file` is set
  std::string file;      // an ONNX network: path as resolved on this machine; "" none
  std::string weights;   // path as resolved on this machine, or "stage:NAME" / "trial:KEY"; "" none
  std::string shortcut;  // "A" | "B"; "" = the model's default, or it does not offer it
  // Document 002's residual network has no ReLU after the addition: its activation quantizer clamps
  // at 0 in its place, so that its full-precision network is another one (facts 002 A.3): false.
  bool post_add_relu = true;
  double width = 1;        // multiplies the numbers of channels
  std::string padding;     // "symmetric" | "same"; "" = the network's own
  bool batch_norm = true;  // false: folded into convolutions, which have biases instead
  std::optional<std::int64_t> num_classes;  // default: the data set's
  std::optional<std::int64_t> image_size;   // data.image_size; default: the network's own

  friend bool operator==(const ModelConfig&, const ModelConfig&) = default;
};

// Input normalisation: (x · scale − mean[c]) / std[c] on x in 0…255.
struct NormalizeConfig {
  std::string name = "auto";  // auto | cifar10 | cifar100 | imagenet | raw | tf | caffe | custom
  std::array<double, 3> mean{};
  std::array<double, 3> std{1, 1, 1};

  friend bool operator==(const NormalizeConfig&, const NormalizeConfig&) = default;
};

struct DataConfig {
  std::string name;
  std::string root;                          // "" = search path
  std::optional<std::int64_t> train_images;  // first n in file order unless subset = stratified
  std::optional<std::int64_t> test_images;
  std::optional<std::int64_t> validation_images;
  std::string subset;                        // first | stratified
  std::optional<std::int64_t> image_size;    // nullopt: what the network reads
  NormalizeConfig normalize;
};

// One of quant.weight, quant.activation. Scheme `dorefa_pact` reads widths and quantizer alone.
struct TensorQuantConfig {
  int bits = 8;  // 1–16, or kUnquantizedBits
  // Not empty: a list instead of `bits`, of one width per convolution and linear layer in order
  // (aciq) or per entry of the network's lists (dorefa_pact). The scheme knows the network and
  // throws ConfigError where the length is another.
  std::vector<int> bits_per_layer;
  std::string quantizer;  // affine | symmetric | mid_tread | kmeans; tanh_symmetric | mpact | …
  Granularity granularity = Granularity::tensor;
  std::string rounding;  // nearest | stochastic
  // nullopt ("by_path"): away on sites that are per tensor and unclipped, even on all others.
  std::optional<Ties> ties = Ties::even;
  bool power_of_two_scale = false;
  // Widths per channel: none | round | ceil | exact | ceil_2019, by std | b | range of each
  // channel.
  std::string bit_allocation = "none";
  std::string allocation_prior = "std";
  std::optional<double> average_bits;  // what allocation aims at; nullopt: bits
  int allocation_max_bits = 8;         // tensors wider than this are not allocated
  ZeroBits zero_bits = ZeroBits::mean;
  // none | mean; weights also variance | mean_variance | paper
  std::string bias_correction = "none";
  // Activations alone:
  std::string range;          // minmax | sample_mean (per-tensor sites alone: a site per channel is
                              // always minmax)
  std::string clipping;       // none | laplace | gauss | mix | std:P | percentile | mse | kl
  double percentile = 99.99;  // of clipping `percentile`, in percent
  ClippingConstants clipping_constants = ClippingConstants::exact;
};

// Where quantizers stand and with which widths (document 004 B.1.4, B.1.5). Widths of their own
// apply where the class (weights, activations) is quantized at all: `bits = "none"` leaves the
// whole class in full precision but for [[layer]] rules.
struct SitesConfig {
  bool fused_relu = true;
  std::optional<int> first_weight_bits;  // nullopt: "same"
  std::int64_t first_layers = 1;         // how many layers first_weight_bits is for
  std::optional<int> last_weight_bits;
  std::optional<int> first_activation_bits;  // a width also means per tensor and unclipped
  int logits_bits = 8;
  int max_pool_bits = 8;
};

struct CalibrationConfig {
  Statistics statistics = Statistics::calibrated;
  std::string source;  // train | test
  std::string order;   // first | random
  std::int64_t images = 512;
  std::int64_t batch_size = 128;
  std::string over_batches;  // mean | extreme
};

// What scheme `dorefa_pact` alone reads (document 002; facts A.4, A.8). α: the learned end of pact
// and mpact, the learned step of lsq, one for each activation quantizer.
struct DorefaPactConfig {
  double clamp_factor = 0.1;                 // dorefa_clamp
  double clip = 2;                           // pact_fixed
  std::optional<double> alpha_init;          // nullopt: 10 in blocks, 6 outside; lsq: first batch
  double alpha_penalty = 2e-4;               // λ of λ·Σα² in the loss; 0 with lsq
  std::optional<double> alpha_weight_decay;  // nullopt: train.weight_decay
  bool alpha_positive = true;                // α stays above 0
  // Where activation quantizers stand; the places themselves are the network's (graph/bit_map.h).
  bool input = true;
  bool inside = true;
  bool after_add = true;
  bool branch_output = true;
  bool pool_output = true;
  bool batch_norm_output = false;
  std::string input_quantizer = "same";  // as quant.activation.quantizer, or that of all
  int gradient_bits = kUnquantizedBits;  // of the gradients that arrive at layers
  // Scale and shift of batch norms as ap_fixed<bits, integer_bits>; nullopt: float32.
  std::optional<std::int64_t> batch_norm_bits;
  std::int64_t batch_norm_integer_bits = 16;
};

// Inference in whole numbers (document 002, facts A.9): formats of fixed-point numbers, of which
// the integer bits include the sign.
struct IntegerConfig {
  bool execute = false;
  int bits = 32;  // of layers in blocks
  int integer_bits = 10;
  int ends_bits = 32;  // of those outside
  int ends_integer_bits = 16;
  std::string rounding = "truncate";  // truncate | nearest
  std::string variant = "corrected";  // corrected | document
};

struct QuantConfig {
  std::string scheme;  // none | aciq | dorefa_pact
  std::string preset;  // for messages: what it sets stands in the other members already
  TensorQuantConfig weight;
  TensorQuantConfig activation;
  SitesConfig sites;  // aciq
  CalibrationConfig calibration;
  DorefaPactConfig dorefa_pact;
  IntegerConfig integer;  // dorefa_pact
  bool fold_batch_norm = true;
  // Beyond document 004 (aciq): quant/equalization.h, ptq/refinement.h.
  bool cross_layer_equalization = false;
  bool batch_norm_reestimation = false;
  bool adaptive_rounding = false;  // quant.weight.adaptive_rounding
  std::int64_t adaptive_rounding_steps = 1000;
  std::vector<LayerRule> layers;
};

struct EvalConfig {
  std::int64_t batch_size = 500;
  bool shuffle = false;
  EvalSplit split = EvalSplit::test;  // of kind ptq
};

// The softened answers of another network's logits as what a training aims at (Hinton 2015).
struct DistillationConfig {
  std::string weights;  // of the same network in full precision, as ModelConfig::weights; "" none
  double temperature = 4;
  double weight = 1;  // of its loss; 1 − weight is left to the labels
  bool is_on() const { return !weights.empty(); }
};

// `kind = "train"`. Epochs are counted from 0; a step is one
// batch.
struct TrainConfig {
  std::int64_t epochs = 0;
  std::optional<std::int64_t> max_steps;  // stop after so many steps in all
  std::int64_t batch_size = 128;          // the last batch of an epoch may be smaller
  std::string optimizer;                  // sgd | adam
  double lr = 0;
  double momentum = 0;                   // sgd
  bool nesterov = false;                 // sgd
  double beta1 = 0.9;                    // adam
  double beta2 = 0.999;                  // adam
  double epsilon = 1e-8;                 // adam
  double weight_decay = 0;               // added to the gradient of every parameter
  bool decay_norm_and_bias = true;       // false: weights of layers alone decay
  std::string schedule;                  // constant | cosine | multistep | piecewise | exponential
  std::string schedule_unit;             // epoch | step: how often the rate changes
  double lr_floor = 0;                   // cosine
  std::vector<std::int64_t> milestones;  // multistep, piecewise: epochs
  std::vector<double> rates;             // piecewise: from each milestone on
  double gamma = 0.1;                    // multistep, exponential (per epoch)
  double warmup_epochs = 0;              // linear, per step, from lr / steps of the warm-up
  double label_smoothing = 0;
  Precision precision = Precision::fp32;
  std::string select;           // last | best_validation | best_test
  bool augment = true;          // data.augment: random crop and flip
  std::int64_t eval_every = 1;  // epochs between evaluations; 0: at the end alone
  std::int64_t log_every = 10;  // steps between points of the per-step series
  DistillationConfig distillation;
  // Batches of the training images, as they are and in file order, that the running statistics of
  // batch norms are measured anew on after the last step; 0: they stay as training left them.
  std::int64_t norm_batches = 0;
};

struct TrialConfig {
  TrialKind kind = TrialKind::ptq;
  std::uint64_t seed = 0;
  ModelConfig model;
  DataConfig data;
  QuantConfig quant;
  EvalConfig eval;
  TrainConfig train;  // of kind train alone
};

// Whether the trial reads calibration images.
bool calibrates(const TrialConfig& trial);

// Throws ConfigError, with places, where a key that every trial needs is unset, where keys
// contradict each other, and for what this version cannot do yet (check_available).
TrialConfig to_trial(const Settings& settings);

}  // namespace bitsweep::config
