#include "cli/families.h"

#include "cli/command.h"
#include "config/presets.h"
#include "config/schema.h"
#include "data/dataset.h"
#include "models/model.h"
#include "quant/scheme.h"
#include "report/renderer.h"

namespace bitsweep::cli {
namespace {

template <typename T>
std::vector<Entry> entries_of(const Registry<T>& registry) {
  std::vector<Entry> out;
  for (const T& entry : registry.entries()) out.push_back({entry.name, entry.summary});
  return out;
}

// The words that a key takes, from the table of keys.
std::vector<Entry> words_of(const char* key) {
  std::vector<Entry> out;
  for (const std::string& word : config::schema()[config::require_key(key, "")].words) {
    out.push_back({word, fmt::format("a value of {}", key)});
  }
  return out;
}

std::vector<Entry> preset_entries() {
  std::vector<Entry> out;
  for (const config::Preset& preset : config::presets()) {
    out.push_back({preset.name, fmt::format("of scheme {}: {}", preset.scheme, preset.source)});
  }
  return out;
}

std::vector<Entry> key_entries() {
  std::vector<Entry> out;
  for (const config::Key& key : config::schema()) out.push_back({key.name, key.doc});
  return out;
}

}  // namespace

std::vector<Family> families() {
  return {
      {"models", "networks", "model.name", entries_of(models::models())},
      {"datasets", "data sets", "data.name", entries_of(data::datasets())},
      {"schemes", "quantization schemes", "quant.scheme", entries_of(quant::schemes())},
      {"presets", "published settings by name", "quant.preset", preset_entries()},
      {"weight-quantizers", "quantizers of weights", "quant.weight.quantizer",
       words_of("quant.weight.quantizer")},
      {"activation-quantizers", "quantizers of activations", "quant.activation.quantizer",
       words_of("quant.activation.quantizer")},
      {"clipping", "clipping rules of activations", "quant.activation.clipping",
       words_of("quant.activation.clipping")},
      {"renderers", "files of a report", "", entries_of(report::renderers())},
      {"commands", "commands", "", entries_of(commands())},
      {"keys", "configuration keys", "", key_entries()},
  };
}

}  // namespace bitsweep::cli
