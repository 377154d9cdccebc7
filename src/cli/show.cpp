// `bitsweep show`: one trial whole.
#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/locations.h"
#include "cli/table.h"
#include "core/text.h"
#include "store/store.h"

namespace bitsweep::cli {
namespace {

using nlohmann::json;

struct Options {
  std::string id;
  std::string database = kDefaultDatabase;
  bool json = false;
};

struct ShownTrial {
  json row;
  store::TrialRecord trial;
  std::vector<store::AttemptRecord> attempts;
  std::optional<store::AttemptRecord> shown;
  std::string command;  // runs it again
};

ShownTrial load(const Options& options) {
  const auto store = store::Store::open(options.database, store::Access::read);
  const std::string key = store.find_trial(options.id);
  store::RowFilter filter;
  filter.keys = {key};
  ShownTrial out{store.trial_rows(filter).at(0), store.trial(key), store.attempts(key),
                 store.shown_attempt(key), "bitsweep repro " + short_key(key)};
  if (options.database != kDefaultDatabase) out.command += " --db " + options.database;
  return out;
}

json to_json(const ShownTrial& shown) {
  json out = shown.row;
  json whole = store::to_json(shown.trial, shown.attempts);
  out["canonical"] = whole.at("canonical");
  out["memberships"] = whole.at("memberships");
  out["attempts"] = whole.at("attempts");
  out["fingerprint"] = shown.shown ? shown.shown->fingerprint : json::object();
  out["epochs"] = shown.shown ? shown.shown->epochs : json::array();
  out["layers"] = shown.shown ? shown.shown->layers : json::array();
  out["command"] = shown.command;
  return {{"schema_version", 1}, {"rows", {std::move(out)}}};
}

void print_section(const char* title) { fmt::print("\n{}\n", title); }

// "  key = value" for every value that is set; nested tables by dotted names.
void print_values(const json& object, const std::string& prefix = "") {
  for (const auto& [key, value] : object.items()) {
    if (value.is_null()) continue;
    if (value.is_object()) {
      print_values(value, prefix + key + ".");
    } else {
      fmt::print("  {}{} = {}\n", prefix, key, value.dump());
    }
  }
}

void print_table_below(const std::vector<json>& objects, std::vector<std::string> columns) {
  const std::size_t width = output_width();
  const std::string text =
      render(make_table(objects, std::move(columns)), Format::table, width > 2 ? width - 2 : 0);
  for (const std::string& line : split(text, '\n')) {
    if (!line.empty()) fmt::print("  {}\n", line);
  }
}

void print_attempts(const std::vector<store::AttemptRecord>& attempts) {
  std::vector<json> rows;
  for (const store::AttemptRecord& attempt : attempts) {
    json row = {{"attempt", attempt.number},
                {"status", store::to_string(attempt.status)},
                {"started", format_utc(attempt.started_ms / 1000)},
                {"device", attempt.device}};
    if (attempt.seconds) row["time"] = format_duration(*attempt.seconds);
    if (attempt.peak_memory_bytes) row["memory"] = format_bytes(*attempt.peak_memory_bytes);
    if (attempt.failure) row["class"] = attempt.failure->failure_class;
    rows.push_back(std::move(row));
  }
  print_table_below(rows, {"attempt", "status", "class", "started", "time", "memory", "device"});
  for (const store::AttemptRecord& attempt : attempts) {
    if (attempt.failure) fmt::print("  {}: {}\n", attempt.number, attempt.failure->message);
  }
}

// As `plan --layers` heads its columns; `show --json` has every field.
void print_layers(const json& layers) {
  constexpr auto kColumns =
      std::to_array<std::pair<const char*, const char*>>({{"name", "layer"},
                                                          {"op", "op"},
                                                          {"weight_bits", "W"},
                                                          {"activation_bits", "A in"},
                                                          {"output_bits", "A out"},
                                                          {"macs", "MACs"},
                                                          {"bops", "BOPs"},
                                                          {"bytes", "bytes"}});
  std::vector<json> rows;
  std::vector<std::string> headings;
  for (const auto& [field, heading] : kColumns) headings.emplace_back(heading);
  for (const json& layer : layers) {
    if (!layer.is_object()) continue;
    json& row = rows.emplace_back();
    for (const auto& [field, heading] : kColumns) row[heading] = layer.value(field, json());
  }
  print_table_below(rows, headings);
}

// Accuracies as percentages, as people read them; `show --json` has the records.
void print_epochs(const store::AttemptRecord& attempt) {
  std::vector<json> rows;
  std::string split;
  for (const json& epoch : attempt.epochs) {
    const auto percent = [&](const char* name) -> json {
      const json value = epoch.value(name, json());
      return value.is_number() ? json(fmt::format("{:.2f}", 100 * value.get<double>())) : json();
    };
    const auto number = [&](const char* name) -> json {
      const json value = epoch.value(name, json());
      return value.is_number() ? json(fmt::format("{:.4f}", value.get<double>())) : json();
    };
    if (const json on = epoch.value("split", json()); on.is_string()) split = on;
    rows.push_back({{"epoch", epoch.value("epoch", json())},
                    {"step", epoch.value("step", json())},
                    {"lr", epoch.value("lr", json())},
                    {"train loss", number("train_loss")},
                    {"train top1 (%)", percent("train_top1")},
                    {split + " top1 (%)", percent("top1")},
                    {"state", short_key(epoch.value("state_sha256", ""))}});
  }
  print_table_below(
      rows, {"epoch", "step", "lr", "train loss", "train top1 (%)", split + " top1 (%)", "state"});
  if (!attempt.resumed_from.empty()) fmt::print("  resumed from {}\n", attempt.resumed_from);
}

void print_text(const ShownTrial& shown) {
  fmt::print("{}\n", shown.row.at("name").is_string() ? shown.row.at("name").get<std::string>()
                                                      : std::string("(in no sweep)"));
  fmt::print("  key = {}\n  status = {}\n", shown.trial.key,
             shown.row.at("status").get<std::string>());
  for (const store::Membership& membership : shown.trial.memberships) {
    fmt::print("  in {} as {}\n", membership.sweep, membership.name);
  }
  fmt::print("  again: {}\n", shown.command);
  if (shown.shown && !shown.shown->finals.empty()) {
    print_section("Metrics");
    print_values(shown.shown->finals);
  }
  print_section("Configuration");
  print_values(shown.trial.config);
  if (!shown.attempts.empty()) {
    print_section("Attempts");
    print_attempts(shown.attempts);
  }
  if (!shown.shown) return;
  if (!shown.shown->epochs.empty()) {
    print_section("Epochs");
    print_epochs(*shown.shown);
  }
  if (!shown.shown->layers.empty()) {
    print_section("Layers");
    print_layers(shown.shown->layers);
  }
  print_section("Fingerprint");
  print_values(shown.shown->fingerprint);
}

ExitCode run(const Options& options) {
  const ShownTrial shown = load(options);
  if (options.json) {
    fmt::print("{}\n", to_json(shown).dump(-1, ' ', false, json::error_handler_t::replace));
  } else {
    print_text(shown);
  }
  return ExitCode::kOk;
}

}  // namespace

void register_show(Registry<Command>& registry) {
  registry.add(
      {"show", "Show one trial whole: configuration, metrics, attempts, layers", [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         app.add_option("id", options->id, "First digits of a trial's key, or its name")
             ->required();
         app.add_option("--db", options->database, "Database")->capture_default_str();
         app.add_flag("--json", options->json, "JSON");
         app.footer("Examples:\n  bitsweep show 3fa9c2\n  bitsweep show 3fa9c2 --json");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
