// Presets of document 002: its lists of widths by their own names (facts A.7). What the entries
// address stands in facts A.1 and A.3, and in the networks themselves (src/models).
#include <array>

#include "config/presets.h"

namespace bitsweep::config {
namespace {

const char* const kToyNet = "model.name == \"toynet\"";
const char* const kOthers = "model.name != \"toynet\"";
const char* const kResNet20 = "model.name == \"resnet20\"";
const char* const kMobileNetV2 = "model.name == \"mobilenetv2_cifar\"";

// One of ToyNet's lists of 13: entries 0 and 1, three groups of three, entries 11 and 12.
List toynet(Value first, int second, std::array<int, 3> middle, Value eleventh, Value last) {
  List out = {std::move(first), second};
  for (const int width : middle) out.insert(out.end(), 3, Value(width));
  out.push_back(std::move(eleventh));
  out.push_back(std::move(last));
  return out;
}

// One of MobileNetV2's lists of 20: entry 0, the stem or its output with 13 blocks, the next four,
// and the last two.
List mobilenetv2(int front, int rear, const Value& last) {
  List out = {"none"};
  out.insert(out.end(), 13, Value(front));
  out.insert(out.end(), 4, Value(rear));
  out.insert(out.end(), 2, last);
  return out;
}

Preset lists(std::string name, std::string source, List weights, List activations) {
  return {.name = std::move(name),
          .scheme = "dorefa_pact",
          .source = std::move(source),
          .rules = {{"quant.weight.bits", std::move(weights), kToyNet},
                    {"quant.activation.bits", std::move(activations), kToyNet}},
          .models = {"toynet"}};
}

// The placement of 12 April 2022: clamps of x/16 at block outputs alone, and behind the batch norm
// before a downsampling.
Preset first_placement(std::string name, std::string source, List weights, List activations) {
  Preset out =
      lists(std::move(name), std::move(source), std::move(weights), std::move(activations));
  out.rules.insert(out.rules.end(), {{"quant.activation.quantizer", "dorefa_clamp", ""},
                                     {"quant.activation.clamp_factor", 1.0 / 16, ""},
                                     {"quant.sites.inside", false, ""},
                                     {"quant.sites.batch_norm_output", true, ""}});
  return out;
}

}  // namespace

std::vector<Preset> dorefa_pact_presets() {
  const Value none = "none";
  const List activations_8 = toynet(none, 8, {8, 8, 8}, none, none);
  const List first_activations = toynet(none, 8, {8, 8, 8}, 16, none);

  Preset cfg_1 = lists("cfg-1", "document 002, facts A.7; elsewhere 8 bits in every block",
                       toynet(none, 8, {8, 8, 8}, 16, 16), activations_8);
  cfg_1.rules.insert(cfg_1.rules.end(),
                     {{"quant.weight.bits", 8, kOthers}, {"quant.activation.bits", 8, kOthers}});
  cfg_1.models.clear();

  // The blocks of ResNet20 and MobileNetV2 on 8 bits; what stands outside has widths of its own.
  Preset cfg_1_star = lists("cfg-1*", "document 002, facts A.7", toynet(8, 8, {8, 8, 8}, 8, 8),
                            toynet(none, 8, {8, 8, 8}, 8, 16));
  cfg_1_star.rules.insert(cfg_1_star.rules.end(), {{"quant.weight.bits", 8, kOthers},
                                                   {"quant.activation.bits", 8, kOthers}});
  cfg_1_star.models = {"toynet", "resnet20", "mobilenetv2_cifar"};

  Preset cfg_2_star = {
      .name = "cfg-2*",
      .scheme = "dorefa_pact",
      .source =
          "this project: document 002 names it (\"some rear blocks changed\") and never ran "
          "it; here the weights of the last stage have 6 bits (MobileNetV2: of the last four "
          "blocks)",
      .rules = {{"quant.weight.bits", List{8, 8, 8, 8, 8, 8, 6, 6, 6}, kResNet20},
                {"quant.activation.bits", List(9, Value(8)), kResNet20},
                {"quant.weight.bits", mobilenetv2(8, 6, 16), kMobileNetV2},
                {"quant.activation.bits", mobilenetv2(8, 8, none), kMobileNetV2}},
      .models = {"resnet20", "mobilenetv2_cifar"}};

  Preset cfg_2_april_15 =
      lists("cfg-2-2022-04-15", "document 002 of 15 to 17 April 2022, facts A.7",
            toynet(none, 8, {8, 8, 6}, 16, 16), activations_8);
  cfg_2_april_15.rules.push_back({"quant.activation.quantizer", "pact_fixed", ""});

  return {
      std::move(cfg_1),
      lists("cfg-2", "document 002, facts A.7", toynet(none, 8, {6, 6, 8}, 16, 16), activations_8),
      lists("cfg-3", "document 002, facts A.7", toynet(none, 8, {6, 6, 6}, 16, 16),
            toynet(none, 8, {6, 6, 6}, none, none)),
      std::move(cfg_1_star),
      std::move(cfg_2_star),
      first_placement("cfg-1-2022-04-12", "document 002 before 15 April 2022, facts A.7",
                      toynet(none, 8, {6, 6, 8}, 16, none), first_activations),
      first_placement("cfg-2-2022-04-12", "document 002 before 15 April 2022, facts A.7",
                      toynet(16, 8, {6, 6, 8}, 16, 16), first_activations),
      first_placement("cfg-3-2022-04-12",
                      "document 002 before 15 April 2022, facts A.7: its cfg-2 with a 16-bit "
                      "input",
                      toynet(16, 8, {6, 6, 8}, 16, 16), toynet(16, 8, {8, 8, 8}, 16, none)),
      std::move(cfg_2_april_15)};
}

}  // namespace bitsweep::config
