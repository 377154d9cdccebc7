#include "config/identity.h"

#include "core/hash.h"

namespace bitsweep::config {
namespace {

void append_key(std::string& out, std::string_view key) {
  if (out.size() > 1) out += ',';
  append_json_string(out, key);
  out += ':';
}

const std::string* digest_of(const Key& key, const Digests& digests) {
  const auto it = digests.find(key.name);
  return it == digests.end() ? nullptr : &it->second;
}

void append_content(std::string& out, const Key& key, const Value& path, const Digests& digests) {
  const std::string* digest = digest_of(key, digests);
  out += digest ? "{\"sha256\":" : "{\"needs\":";
  append_json(out, digest ? Value(*digest) : path);
  out += '}';
}

void append_dataset(std::string& out, const Key& key, const Value& name, const Digests& digests) {
  const std::string* digest = digest_of(key, digests);
  out += '[';
  append_json(out, name);
  out += ',';
  append_json(out, digest ? Value(*digest) : Value());
  out += ']';
}

void append_layers(std::string& out, const std::vector<LayerRule>& layers) {
  char before = '[';
  for (const LayerRule& layer : layers) {
    out += before;
    before = ',';
    // "activation.…" < "match" < "weight.…", and the overrides are sorted.
    out += '{';
    std::size_t start = out.size();
    const auto item = [&](std::string_view key, const Value& value) {
      if (out.size() > start) out += ',';
      append_json_string(out, key);
      out += ':';
      append_json(out, value);
    };
    bool has_match = false;
    for (const auto& [key, value] : layer.overrides) {
      if (!has_match && key > "match") {
        item("match", layer.match);
        has_match = true;
      }
      item(key, value);
    }
    if (!has_match) item("match", layer.match);
    out += '}';
  }
  out += ']';
}

}  // namespace

Identity identify(const Settings& settings, const Digests& digests) {
  Identity out;
  std::string& text = out.canonical;
  text.reserve(1024);
  text = "{";
  const std::vector<bool> held = evaluate_conditions(settings);
  // Layer rules have an effect wherever widths have one.
  static const KeyIndex widths = require_key("quant.weight.bits", "identity");
  const bool layers_are_used = is_used(widths, held);

  bool layers_written = settings.layers.empty();
  const auto write_layers = [&] {
    layers_written = true;
    if (!layers_are_used) return;
    append_key(text, "layer");
    append_layers(text, settings.layers);
  };

  const auto keys = schema();
  for (KeyIndex position = 0; position < keys.size(); ++position) {
    const Key& key = keys[position];
    if (!layers_written && key.name > "layer") write_layers();
    if (!is_used(position, held)) {
      if (settings.is_explicit(position)) out.unused_keys.push_back(key.name);
      continue;
    }
    if (key.role == Role::nothing) continue;
    const Value& value = settings.get(position);
    if (value == settings.fallback(position)) continue;
    append_key(text, key.name);
    switch (key.role) {
      case Role::content:
        append_content(text, key, value, digests);
        break;
      case Role::dataset:
        append_dataset(text, key, value, digests);
        break;
      default:
        append_json(text, value);
    }
  }
  if (!layers_written) write_layers();
  text += '}';
  if (!settings.layers.empty() && !layers_are_used) out.unused_keys.push_back("layer");
  out.key = sha256_hex(text);
  return out;
}

}  // namespace bitsweep::config
