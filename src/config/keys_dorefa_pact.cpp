// Rows of the table of keys that scheme `dorefa_pact` alone reads (document 002, facts A.4).
#include <fmt/format.h>

#include "config/keys.h"

namespace bitsweep::config {
namespace {

constexpr double kSmallest = 1e-6;  // of a range that must not be empty

// A condition on the quantizer of activations.
std::string where_quantizer(std::string_view condition) {
  return fmt::format("{} and quant.activation.quantizer {}", kDorefaPact, condition);
}

// Where some activation has this quantizer: document 002's MobileNetV2 has a clamp of its own.
std::string where_any(std::string_view quantizer) {
  return fmt::format(
      "{} and (quant.activation.quantizer == \"{}\" or quant.sites.input_quantizer == \"{}\"{})",
      kDorefaPact, quantizer, quantizer,
      quantizer == "dorefa_clamp" ? " or model.name == \"mobilenetv2_cifar\"" : "");
}

void add_activation(std::vector<Key>& keys) {
  const std::string clips = where_quantizer("in [\"mpact\", \"pact\"]");
  const std::string learned = where_quantizer("in [\"mpact\", \"pact\", \"lsq\"]");
  const auto real = [&](const char* name, Value fallback, double min, std::string used_when,
                        const char* doc) {
    keys.push_back({.name = fmt::format("quant.activation.{}", name),
                    .type = Type::real,
                    .fallback = std::move(fallback),
                    .doc = doc,
                    .min = min,
                    .used_when = std::move(used_when)});
  };
  real("clamp_factor", 0.1, kSmallest, where_any("dorefa_clamp"),
       "what `dorefa_clamp` multiplies by before it clamps to [0, 1]");
  real("clip", 2.0, kSmallest, where_any("pact_fixed"), "the upper end c of `pact_fixed`");
  real("alpha_init", "document", kSmallest, learned,
       "α before the first step; `document`: 10 in blocks, 6 outside them. The step of `lsq`, "
       "whose `document` is 2·mean|x| / √qmax of the first batch");
  keys.back().words = {"document"};
  real("alpha_penalty", 2e-4, 0, clips, "the loss grows by this times the sum of all α²");
  real("alpha_weight_decay", "train", 0, learned,
       "weight decay of every α; `train`: that of `train.weight_decay`");
  keys.back().words = {"train"};
  keys.push_back({.name = "quant.activation.alpha_positive",
                  .type = Type::boolean,
                  .fallback = true,
                  .doc = "every α is kept above 0 after each step; a step of `lsq` always is",
                  .used_when = clips});
}

void add_sites(std::vector<Key>& keys) {
  const auto site = [&](const char* name, bool fallback, const char* doc) {
    keys.push_back({.name = fmt::format("quant.sites.{}", name),
                    .type = Type::boolean,
                    .fallback = fallback,
                    .doc = doc,
                    .used_when = kDorefaPact});
  };
  site("input", true, "a quantizer on the network's input, where its lists have an entry for it");
  site("inside", true, "quantizers inside the blocks");
  site("after_add", true, "a quantizer behind each addition (and behind the ReLU after it)");
  site("branch_output", true, "a quantizer on what a shortcut's convolution adds");
  site("pool_output", true, "a quantizer on the pooled features");
  site("batch_norm_output", false,
       "a quantizer, of 16 bits, on the output of a batch norm before its convolution");
  keys.push_back({.name = "quant.sites.input_quantizer",
                  .type = Type::word,
                  .fallback = "same",
                  .doc = "the quantizer of the network's input; `same`: that of all activations. "
                         "Document 002 has `dorefa_clamp`, which cuts every negative pixel",
                  .words = {"same", "dorefa_clamp", "pact_fixed"},
                  .used_when = kDorefaPact});
}

// Inference in whole numbers (facts A.9).
void add_integer(std::vector<Key>& keys) {
  const std::string executes = fmt::format("{} and quant.integer.execute", kDorefaPact);
  const auto width = [&](const char* name, int fallback, double min, const char* doc) {
    keys.push_back({.name = fmt::format("quant.integer.{}", name),
                    .type = Type::integer,
                    .fallback = fallback,
                    .doc = doc,
                    .min = min,
                    .max = 32,
                    .used_when = executes});
  };
  const auto word = [&](const char* name, std::vector<std::string> words, const char* doc) {
    keys.push_back({.name = fmt::format("quant.integer.{}", name),
                    .type = Type::word,
                    .fallback = words.front(),
                    .doc = doc,
                    .words = words,
                    .used_when = executes});
  };
  keys.push_back({.name = "quant.integer.execute",
                  .type = Type::boolean,
                  .fallback = false,
                  .doc =
                      "also evaluate the trained network in whole numbers: `integer.top1` beside "
                      "`top1`, and the predictions that differ",
                  .used_when = kDorefaPact});
  width("bits", 32, 2, "width of the fixed-point multipliers of layers in blocks");
  width("integer_bits", 10, 1, "of these, the bits before the point, the sign among them");
  width("ends_bits", 32, 2, "width of the multipliers outside the blocks: stem, header, pool");
  width("ends_integer_bits", 16, 1, "of these, the bits before the point, the sign among them");
  word("rounding", {"truncate", "nearest"},
       "how sums lose their fraction: `truncate` towards zero, `nearest` with ties to even");
  word("variant", {"corrected", "document"},
       "`document`: saturation, clips and the truncated image of document 002's own code");
}

}  // namespace

void add_dorefa_pact_keys(std::vector<Key>& keys) {
  add_activation(keys);
  add_sites(keys);
  keys.push_back({.name = "quant.batch_norm.bits",
                  .type = Type::integer,
                  .doc =
                      "scale and shift of every batch norm in fixed point of so many bits, as "
                      "ap_fixed<bits, integer_bits>, straight-through in training; unset: float32",
                  .min = 2,
                  .max = 32,
                  .used_when = kDorefaPact});
  keys.push_back({.name = "quant.batch_norm.integer_bits",
                  .type = Type::integer,
                  .fallback = 16,
                  .doc = "of those bits: before the point, the sign included",
                  .min = 1,
                  .max = 32,
                  .used_when = fmt::format("{} and quant.batch_norm.bits != null", kDorefaPact)});
  add_integer(keys);
  keys.push_back({.name = "quant.gradient.bits",
                  .type = Type::integer,
                  .fallback = "none",
                  .doc = "width of DoReFa's quantizer of the gradient that arrives at a layer with "
                         "quantized weights (at every layer where all weights are in full "
                         "precision)",
                  .min = 1,
                  .max = 16,
                  .words = {"none"},
                  .used_when = kDorefaPact});
}

}  // namespace bitsweep::config
