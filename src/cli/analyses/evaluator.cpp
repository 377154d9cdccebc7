#include "cli/analyses/evaluator.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "core/log.h"
#include "core/stopwatch.h"
#include "core/text.h"

namespace bitsweep::cli {
namespace {

const std::vector<std::string>& result_columns() {
  static const std::vector<std::string> columns = {"key",
                                                   "status",
                                                   "images",
                                                   "correct",
                                                   "top1",
                                                   "loss",
                                                   "bytes",
                                                   "bops",
                                                   "weight_bits_average",
                                                   "activation_bits_average"};
  return columns;
}

sweep::PlanContext context_of(const std::optional<store::Store>& store) {
  sweep::PlanContext context;
  if (!store) return context;
  context.find_trial = [&store](std::string_view id) -> std::optional<std::string> {
    return store->find_trial(id);
  };
  return context;
}

sweep::PlannedTrial only_trial(sweep::Plan plan, const std::string& file) {
  if (plan.trials.size() == 1) return std::move(plan.trials.front());
  throw ConfigError(
      fmt::format("{}: asks for {} trials; an analysis varies one: pin its axes on the command "
                  "line, as in method=all",
                  file, plan.trials.size()));
}

Measured measured(const std::string& name, const nlohmann::json& row) {
  return {name, row.at("key"), row.at("images"), row.at("correct"), row.at("top1"), row.at("loss"),
          row};
}

}  // namespace

void add_analysis_options(CLI::App& app, AnalysisOptions& options, const std::string& word) {
  options.command = "bitsweep analyse " + word;
  add_run_options(app, options);
  app.add_option("-o,--output", options.folder, "Folder (default: reports/RECIPE-" + word + ")");
  options.app = &app;
  options.first_of_study = app.get_options().size();
  app.add_option("--metric", options.metric,
                 "What counts: loss (mean cross entropy) or top1, of the trial's own images")
      ->check(CLI::IsMember({"loss", "top1"}))
      ->capture_default_str();
}

std::string study_command(const AnalysisOptions& options) {
  std::string out = command_line(options);
  const std::vector<const CLI::Option*> all = options.app->get_options();
  for (std::size_t i = options.first_of_study; i < all.size(); ++i) {
    if (all[i]->count() == 0) continue;
    out += fmt::format(" {} '{}'", all[i]->get_name(), fmt::join(all[i]->results(), ","));
  }
  return out;
}

Evaluator::Evaluator(const AnalysisOptions& options, const std::string& word)
    : options_(options), recipe_(sweep::Point{}), slots_(slots_of(options)) {
  const auto store = store::Store::open_if_exists(options.database);
  sweep::LoadedPlan loaded =
      sweep::load_plan(options.file, options.assignments, options.without, context_of(store));
  note_lints(loaded.plan);
  recipe_ = only_trial(std::move(loaded.plan), options.file);
  const bool decides = word == "recovery" || word == "search";
  if (decides && config::format_bare(recipe_.settings.get("eval.split")) == "test") {
    lints_.push_back(
        "decides on test images; eval.split = \"validation\" with data.validation_images = N "
        "decides on training images [decided_on_test]");
    spdlog::warn("{}", lints_.back());
  }
  sweep_.path = loaded.sweep.path;
  sweep_.name = fmt::format("{}-{}", loaded.sweep.name, word);
  // What decides the points: an edited recipe is another sweep text, and forgets the old ones.
  sweep_.text = fmt::format("# {}\n{}", command_line(options), loaded.sweep.text);
  sweep_.trial = recipe_.settings;
}

void Evaluator::note_lints(const sweep::Plan& plan) {
  for (const sweep::Lint& lint : plan.lints) {
    const std::string line = fmt::format("{} [{}]", lint.message, lint.rule);
    if (std::ranges::find(lints_, line) != lints_.end()) continue;
    lints_.push_back(line);
    spdlog::warn("{}", line);
  }
}

std::optional<std::vector<Measured>> Evaluator::measure(const std::vector<Variation>& variations) {
  const Stopwatch watch;
  sweep_.ready.clear();
  for (const Variation& variation : variations) {
    sweep_.ready.push_back({variation.name, variation.settings});
  }
  sweep::LoadedPlan loaded{sweep_, {}};
  {
    const auto before = store::Store::open_if_exists(options_.database);
    loaded.plan = sweep::make_plan(sweep_, sweep_, context_of(before));
    require_ready(loaded.plan,
                  run::decide(loaded.plan, before ? &*before : nullptr, decide_options(options_)));
  }
  auto store = store::Store::open(options_.database, store::Access::write);
  store.reconcile();
  const RunTally now = run_plan(loaded, options_, slots_, store);
  tally_.ok += now.ok;
  tally_.failed += now.failed;
  tally_.cached += now.cached;
  tally_.signal = now.signal;
  tally_.resumable += now.resumable;
  seconds_ += watch.seconds();
  if (now.exit_code() != ExitCode::kOk) return std::nullopt;

  std::map<std::string, std::string> key_of;  // by trial name
  std::vector<std::string> keys;
  for (const sweep::PlannedTrial& trial : loaded.plan.trials) {
    keys.push_back(trial.identity.key);
    key_of[trial.name] = trial.identity.key;
    for (const std::string& merged : trial.merged) key_of[merged] = trial.identity.key;
  }
  std::map<std::string, nlohmann::json> rows;
  const store::RowFilter filter{.sweep = "", .keys = keys, .columns = result_columns()};
  for (const nlohmann::json& row : store.trial_rows(filter)) {
    rows[row.at("key").get<std::string>()] = row;
  }
  std::vector<Measured> out;
  for (const Variation& variation : variations) {
    const std::string& key = key_of.at(fmt::format("{}/{}", sweep_.name, variation.name));
    out.push_back(measured(variation.name, rows.at(key)));
  }
  return out;
}

void Evaluator::print_tally() const {
  fmt::print(stderr, "ok={} failed={} skipped={} cached={} wall={} db={}\n", tally_.ok,
             tally_.failed, tally_.skipped, tally_.cached, format_duration(seconds_),
             options_.database);
}

double Evaluator::badness(const Measured& measured) const {
  if (options_.metric == "loss") return measured.loss;
  return 1 - static_cast<double>(measured.correct) / static_cast<double>(measured.images);
}

std::string Evaluator::badness_heading() const {
  return options_.metric == "loss" ? "loss" : "top-1 error";
}

std::filesystem::path Evaluator::folder() const {
  return options_.folder.empty() ? std::filesystem::path("reports") / sweep_.name
                                 : std::filesystem::path(options_.folder);
}

}  // namespace bitsweep::cli
