// Keys of what improves a post-training quantization beyond document 004.
#include "config/keys.h"

namespace bitsweep::config {

void add_refinement_keys(std::vector<Key>& keys) {
  const std::string aciq = "quant.scheme == \"aciq\"";
  keys.push_back({.name = "quant.cross_layer_equalization",
                  .type = Type::boolean,
                  .fallback = false,
                  .doc = "scale the channels between two layers so that both weights have the same "
                         "range there (Nagel et al. 2019); the network computes the same",
                  .used_when = aciq + " and quant.fold_batch_norm"});
  keys.push_back({.name = "quant.batch_norm_reestimation",
                  .type = Type::boolean,
                  .fallback = false,
                  .doc = "give each channel of a layer's output the mean and standard deviation "
                         "back that it has in full precision on the calibration images (Hubara et "
                         "al. 2021), layer by layer",
                  .used_when = aciq});
  keys.push_back({.name = "quant.weight.adaptive_rounding",
                  .type = Type::boolean,
                  .fallback = false,
                  .doc =
                      "learn for each weight whether it is rounded up or down, layer by layer on "
                      "calibration images (AdaRound, Nagel et al. 2020)",
                  .used_when = aciq});
  keys.push_back(count_key("quant.weight.adaptive_rounding_steps", 1000,
                           aciq + " and quant.weight.adaptive_rounding",
                           "steps of Adam for each layer"));
}

}  // namespace bitsweep::config
