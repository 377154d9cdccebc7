// `bitsweep describe NAME`: one registered thing, whole: a network with its layers and counts, a
// configuration key with its default and range, a data set, a preset, a command.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/families.h"
#include "cli/help.h"
#include "config/presets.h"
#include "config/schema.h"
#include "core/text.h"
#include "data/dataset.h"
#include "graph/count.h"
#include "graph/listing.h"
#include "models/model.h"

namespace bitsweep::cli {
namespace {

struct Options {
  std::string name;
  std::vector<std::string> settings;  // "shortcut=B"
  bool json = false;
};

config::ModelConfig model_config(const Options& options) {
  config::ModelConfig out;
  out.name = options.name;
  for (const std::string& setting : options.settings) {
    const auto equals = setting.find('=');
    std::string key = setting.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : setting.substr(equals + 1);
    if (key.starts_with("model.")) key.erase(0, 6);
    if (key == "num_classes") {
      out.num_classes = std::atoll(value.c_str());
    } else if (key == "image_size" || key == "data.image_size") {
      out.image_size = std::atoll(value.c_str());
    } else {
      models::set_option(out, key, value);
    }
  }
  return out;
}

void describe_model(const models::Model& model, const Options& options) {
  const graph::Graph graph =
      models::build_model(model_config(options), models::usual_classes(model));
  const graph::Counts counts = graph::count(graph);
  if (options.json) {
    nlohmann::json out = graph::to_json(graph);
    out["schema_version"] = 1;
    out["counts"] = graph::to_json(counts.total);
    fmt::print("{}\n", out.dump(2));
    return;
  }
  fmt::print("{}: {}\nsource: {}\n", model.name, model.summary, model.source);
  for (const models::ModelOption& option : model.options) {
    fmt::print("option {} = {}: {}\n", option.key, join(option.choices, " | "), option.summary);
  }
  fmt::print("\n{}\n", graph::to_text(graph));
  if (const auto& bits = graph.stated_bit_map()) {
    fmt::print("a list of quant.weight.bits has: {}\na list of quant.activation.bits: {}\n\n",
               graph::list_text(bits->weight_entries), graph::list_text(bits->output_entries));
  }
  fmt::print("parameters {}   MACs {}   MADDS of the published profiler rule {}\n",
             format_count(counts.total.parameters), format_count(counts.total.macs),
             format_count(counts.total.madds_published));
}

void describe_key(const config::Key& key) {
  fmt::print("{}: {}\ntakes {}\n", key.name, key.doc, config::expected(key));
  fmt::print("default {}\n", key.fallback.is_set() ? config::default_text(key) : "(unset)");
  if (!key.used_when.empty()) fmt::print("used when {}\n", key.used_when);
  if (key.later) std::puts("not available in this version");
  if (!key.later_words.empty()) {
    fmt::print("not available in this version: {}\n", join(key.later_words, ", "));
  }
}

void describe_dataset(const data::Dataset& set) {
  fmt::print("{}: {}\n", set.name, set.summary);
  fmt::print("{} classes of {}x{}x{} images: {} train, {} test; normalize auto = {}\n",
             set.num_classes(), set.shape.channels, set.shape.height, set.shape.width,
             format_count(set.train.images()), format_count(set.test.images()), set.normalize);
  constexpr std::size_t kShown = 20;
  const std::span names(set.class_names);
  fmt::print("classes: {}{}\nrecords: train {}\n         test  {}\n",
             join(names.first(std::min(names.size(), kShown)), " "),
             names.size() > kShown ? fmt::format(" … ({} in all)", names.size()) : "",
             set.train.digest, set.test.digest);
}

void describe_preset(const config::Preset& preset) {
  fmt::print("{}: settings of scheme {} ({}); explicit keys win over it\n", preset.name,
             preset.scheme, preset.source);
  for (const config::PresetRule& rule : preset.rules) {
    fmt::print("  {} = {}{}\n", rule.key, config::format_value(rule.value),
               rule.when.empty() ? "" : fmt::format("   when {}", rule.when));
  }
}

ExitCode run(const Options& options) {
  if (const auto* model = models::models().find(options.name)) {
    describe_model(*model, options);
    return ExitCode::kOk;
  }
  if (const auto* set = data::datasets().find(options.name)) {
    describe_dataset(*set);
    return ExitCode::kOk;
  }
  if (const auto key = config::find_key(options.name)) {
    describe_key(config::schema()[*key]);
    return ExitCode::kOk;
  }
  for (const config::Preset& preset : config::presets()) {
    if (preset.name != options.name) continue;
    describe_preset(preset);
    return ExitCode::kOk;
  }
  if (const Command* command = commands().find(options.name)) {
    CLI::App app(command->summary);
    wrap_help(app);
    app.name("bitsweep " + command->name);
    command->attach(app);
    std::fputs(app.help().c_str(), stdout);
    return ExitCode::kOk;
  }
  // Names that are words of one key only (a scheme, a quantizer, a renderer).
  bool found = false;
  std::vector<std::string> names;
  for (const Family& family : families()) {
    for (const Entry& entry : family.entries) {
      names.push_back(entry.name);
      if (entry.name != options.name) continue;
      fmt::print("{} ({}): {}\n", entry.name, family.name, entry.summary);
      found = true;
    }
  }
  if (!found) {
    const auto near = nearest_name(options.name, names);
    throw ConfigError(fmt::format("nothing is registered as '{}'{}; see 'bitsweep list'",
                                  options.name,
                                  near ? fmt::format(" (did you mean '{}'?)", *near) : ""));
  }
  return ExitCode::kOk;
}

}  // namespace

void register_describe(Registry<Command>& registry) {
  registry.add({"describe", "Describe one registered thing: a network, key, data set, preset, …",
                [](CLI::App& app) {
                  auto options = std::make_shared<Options>();
                  app.add_option("name", options->name, "What to describe")->required();
                  app.add_option(
                      "settings", options->settings,
                      "Options of a network: shortcut=B, num_classes=1000, image_size=224");
                  app.add_flag("--json", options->json, "JSON (networks)");
                  app.footer(
                      "Examples:\n  bitsweep describe resnet20 shortcut=B\n"
                      "  bitsweep describe quant.weight.bits\n"
                      "  bitsweep describe submission2019");
                  return std::function<ExitCode()>([options] { return run(*options); });
                }});
}

}  // namespace bitsweep::cli
