// Document 002's lists of widths in Python (facts 002 A.7), `C.layer_abit = [32, 8, …]` and
// `C.layer_wbit = […]`, as a training with its recipe (A.6).
#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "config/trial.h"
#include "core/error.h"
#include "core/text.h"
#include "graph/bit_map.h"
#include "importing/python_literals.h"
#include "importing/vocabulary.h"
#include "models/model.h"

namespace bitsweep::importing {
namespace {

struct Lists {
  NumberList activation;
  NumberList weight;
};

std::string last_part(std::string_view dotted) {
  std::string out(dotted.substr(dotted.rfind('.') + 1));
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

bool says(const NumberList& list, const std::vector<std::string>& words) {
  const std::string name = last_part(list.name);
  return std::ranges::any_of(
      words, [&](const std::string& word) { return name.find(word) != std::string::npos; });
}

// By name, the last of each (as Python would have it); without names the document's order:
// activations, then weights.
Lists lists_of(const ImportInput& input) {
  const std::vector<NumberList> all = read_number_lists(input.text, input.place);
  Lists out;
  std::vector<const NumberList*> unnamed;
  for (const NumberList& list : all) {
    if (says(list, {"abit", "a_bit", "act"})) {
      out.activation = list;
    } else if (says(list, {"wbit", "w_bit", "weight"})) {
      out.weight = list;
    } else if (list.name.empty() || last_part(list.name) == "a" || last_part(list.name) == "w") {
      unnamed.push_back(&list);
    }
  }
  if (out.activation.place.empty() && out.weight.place.empty() && unnamed.size() == 2) {
    const bool swapped = last_part(unnamed[0]->name) == "w";
    out.activation = *unnamed[swapped ? 1 : 0];
    out.weight = *unnamed[swapped ? 0 : 1];
  }
  for (const auto& [list, name] :
       {std::pair{&out.activation, "layer_abit"}, std::pair{&out.weight, "layer_wbit"}}) {
    if (!list->place.empty()) continue;
    throw ConfigError(
        fmt::format("{}: no list named like {} was found among {} lists of whole numbers; expected "
                    "{} = [32, 8, …], or two lists alone, activations first",
                    input.place, name, all.size(), name));
  }
  return out;
}

std::size_t listed(const std::vector<graph::BitEntry>& entries) {
  return static_cast<std::size_t>(std::ranges::count(entries, true, &graph::BitEntry::is_listed));
}

graph::BitMap map_of(const std::string& model) {
  config::ModelConfig config;
  config.name = model;
  return models::build_model(config, 10).bit_map();
}

// The one network of document 002 whose lists are that long.
std::string model_of(const ImportInput& input, const Lists& lists) {
  if (!input.model.empty()) return models::models().get(input.model).name;
  static const std::vector<std::string> kDocument = {"toynet", "mobilenetv2_cifar", "resnet20"};
  std::vector<std::string> lengths;
  for (const std::string& name : kDocument) {
    if (models::models().find(name) == nullptr) continue;
    const graph::BitMap map = map_of(name);
    if (listed(map.output_entries) == lists.activation.numbers.size() &&
        listed(map.weight_entries) == lists.weight.numbers.size()) {
      return name;
    }
    lengths.push_back(
        fmt::format("{} {} and {}", name, listed(map.output_entries), listed(map.weight_entries)));
  }
  throw ConfigError(fmt::format(
      "{}: {} widths of activations and {} of weights fit none of the document's networks ({}); "
      "say which by --model",
      input.place, lists.activation.numbers.size(), lists.weight.numbers.size(),
      join(lengths, ", ")));
}

config::Value widths(const NumberList& list, const std::vector<graph::BitEntry>& entries,
                     const std::string& model) {
  if (list.numbers.size() != listed(entries)) {
    throw ConfigError(fmt::format("{}: {} widths, and network '{}' has {}: {}", list.place,
                                  list.numbers.size(), model, listed(entries),
                                  graph::list_text(entries)));
  }
  config::List out;
  for (std::size_t i = 0; i < list.numbers.size(); ++i) {
    const std::int64_t bits = list.numbers[i];
    if (bits == config::kUnquantizedBits) {
      out.emplace_back(std::string("none"));
    } else if (bits >= 1 && bits <= 16) {
      out.emplace_back(bits);
    } else {
      throw ConfigError(fmt::format(
          "{}: entry {} is {}; expected 1 to 16, or 32 for full precision", list.place, i, bits));
    }
  }
  return out;
}

ImportedTrial translate(const ImportInput& input) {
  const Lists lists = lists_of(input);
  const std::string model = model_of(input, lists);
  const graph::BitMap map = map_of(model);
  ImportedTrial out;
  out.head = {
      "Translated by `bitsweep import-config` from document 002's lists of widths,",
      fmt::format("{} and {}, with its recipe.", lists.activation.place, lists.weight.place)};
  out.name = model + "_lists";
  const bool residual = model.starts_with("resnet");
  out.set("kind", std::string("train"));
  out.set("model.name", model);
  out.set("data.name", std::string("cifar10"));
  out.set("train.epochs", std::int64_t{300});
  out.set("train.batch_size", std::int64_t{residual ? 256 : 128});
  out.set("train.optimizer", std::string("sgd"));
  out.set("train.lr", residual ? 0.1 : 0.01);
  out.set("train.momentum", 0.9);
  out.set("train.weight_decay", 5e-4);
  out.set("train.schedule", std::string("cosine"));
  out.set("train.lr_floor", 0.001);
  out.set("quant.scheme", std::string("dorefa_pact"));
  out.set("quant.weight.bits", widths(lists.weight, map.weight_entries, model));
  out.set("quant.activation.bits", widths(lists.activation, map.output_entries, model));
  out.notes.push_back(
      "the document reported its best test epoch: train.select = \"best_test\" does so, too");
  return out;
}

bool recognises(std::string_view text) { return text.find('[') != std::string_view::npos; }

}  // namespace

void register_bit_lists(Registry<Vocabulary>& registry) {
  registry.add({"bit_lists", "Document 002's lists of widths in Python (layer_abit, layer_wbit)",
                recognises, translate});
}

}  // namespace bitsweep::importing
