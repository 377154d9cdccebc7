// `bitsweep diff`: what differs between trials, and whether the first two differ by more than
// chance.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <set>

#include "cli/command.h"
#include "cli/locations.h"
#include "cli/table.h"
#include "core/text.h"
#include "report/paired.h"
#include "store/store.h"

namespace bitsweep::cli {
namespace {

using nlohmann::json;

struct Options {
  std::vector<std::string> ids;
  std::string database = kDefaultDatabase;
  std::string format = "table";
  bool json = false;
};

// One line of the comparison: what, and its value in each trial.
struct Difference {
  std::string what;  // "configuration", "metric", "fingerprint"
  std::string key;
  std::vector<json> values;
};

struct Compared {
  std::vector<store::TrialRecord> trials;
  std::vector<std::string> names;
  std::vector<std::optional<store::AttemptRecord>> shown;
  std::vector<Difference> differences;
  std::optional<report::McNemar> mcnemar;  // of the first two
};

// The keys whose values are not the same in all of `objects`.
void compare(const char* what, const std::vector<json>& objects, std::vector<Difference>& out) {
  std::set<std::string> keys;
  for (const json& object : objects) {
    for (const auto& item : object.items()) keys.insert(item.key());
  }
  for (const std::string& key : keys) {
    Difference difference{what, key, {}};
    for (const json& object : objects) difference.values.push_back(object.value(key, json()));
    const auto& values = difference.values;
    if (std::adjacent_find(values.begin(), values.end(), std::not_equal_to<>()) != values.end()) {
      out.push_back(std::move(difference));
    }
  }
}

std::optional<report::McNemar> test_first_two(const Compared& compared) {
  std::vector<report::Run> runs;
  for (std::size_t i = 0; i < 2; ++i) {
    report::Run& run = runs.emplace_back();
    run.trial = compared.trials[i];
    if (compared.shown[i]) run.attempts = {*compared.shown[i]};
  }
  const auto paired = report::paired_test(runs[0], runs[1]);
  if (!paired) return std::nullopt;
  return paired->test;
}

Compared load(const Options& options) {
  const auto store = store::Store::open(options.database, store::Access::read);
  Compared out;
  std::vector<json> configurations;
  std::vector<json> metrics;
  std::vector<json> fingerprints;
  for (const std::string& id : options.ids) {
    const std::string key = store.find_trial(id);
    out.trials.push_back(store.trial(key));
    const store::TrialRecord& trial = out.trials.back();
    out.names.push_back(trial.memberships.empty() ? short_key(key)
                                                  : trial.memberships.front().name);
    out.shown.push_back(store.shown_attempt(key));
    configurations.push_back(trial.config);
    metrics.push_back(out.shown.back() ? out.shown.back()->finals : json::object());
    fingerprints.push_back(out.shown.back() ? out.shown.back()->fingerprint.flatten()
                                            : json::object());
  }
  compare("configuration", configurations, out.differences);
  compare("metric", metrics, out.differences);
  compare("fingerprint", fingerprints, out.differences);
  out.mcnemar = test_first_two(out);
  return out;
}

Table to_table(const Compared& compared) {
  Table out{{"what", "key"}, {}};
  for (const store::TrialRecord& trial : compared.trials)
    out.columns.push_back(short_key(trial.key));
  for (const Difference& difference : compared.differences) {
    std::vector<json> row{difference.what, difference.key};
    row.insert(row.end(), difference.values.begin(), difference.values.end());
    out.rows.push_back(std::move(row));
  }
  return out;
}

json to_json(const Compared& compared) {
  json trials = json::array();
  for (std::size_t i = 0; i < compared.trials.size(); ++i) {
    trials.push_back({{"key", compared.trials[i].key}, {"name", compared.names[i]}});
  }
  json rows = json::array();
  for (const Difference& difference : compared.differences) {
    rows.push_back(
        {{"what", difference.what}, {"key", difference.key}, {"values", difference.values}});
  }
  json out = {{"schema_version", 1}, {"trials", trials}, {"rows", rows}, {"mcnemar", nullptr}};
  if (const auto& test = compared.mcnemar) {
    out["mcnemar"] = {{"images", test->images},
                      {"only_first", test->only_first},
                      {"only_second", test->only_second},
                      {"p_exact", test->p_exact},
                      {"p_mid", test->p_mid}};
  }
  return out;
}

void print_mcnemar(const Compared& compared) {
  if (!compared.mcnemar) {
    fmt::print("\nNo paired test: the first two have no bitmaps of the same images.\n");
    return;
  }
  const report::McNemar& test = *compared.mcnemar;
  fmt::print(
      "\nOn the same {} images, only {} is right on {} and only {} on {}:\n"
      "McNemar's exact p = {:.3g}.\n",
      format_count(test.images), short_key(compared.trials[0].key), format_count(test.only_first),
      short_key(compared.trials[1].key), format_count(test.only_second), test.p_exact);
}

ExitCode run(const Options& options) {
  const Compared compared = load(options);
  const Format format = options.json ? Format::json : format_from_name(options.format);
  if (format == Format::json) {
    fmt::print("{}\n", to_json(compared).dump(-1, ' ', false, json::error_handler_t::replace));
    return ExitCode::kOk;
  }
  if (format == Format::table) {
    for (std::size_t i = 0; i < compared.trials.size(); ++i) {
      fmt::print("{}  {}\n", short_key(compared.trials[i].key), compared.names[i]);
    }
    fmt::print("\n");
    if (compared.differences.empty()) fmt::print("Nothing differs.\n");
  }
  if (!compared.differences.empty() || format != Format::table) {
    fmt::print("{}", render(to_table(compared), format, output_width()));
  }
  if (format == Format::table) print_mcnemar(compared);
  return ExitCode::kOk;
}

}  // namespace

void register_diff(Registry<Command>& registry) {
  registry.add(
      {"diff", "Show what differs between trials, and by more than chance", [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         app.add_option("ids", options->ids, "Trials: first digits of keys, or names")
             ->required()
             ->expected(2, 64);
         app.add_option("--db", options->database, "Database")->capture_default_str();
         app.add_option("--format", options->format, "table, md, csv, json, jsonl or tex")
             ->check(CLI::IsMember(format_names()))
             ->capture_default_str();
         app.add_flag("--json", options->json, "The same as --format json");
         app.footer("Examples:\n  bitsweep diff 3fa9 81be");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
