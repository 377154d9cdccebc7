// `bitsweep run`: runs what is not done.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <memory>

#include "cli/command.h"
#include "cli/run_plan.h"
#include "core/log.h"
#include "core/text.h"

namespace bitsweep::cli {
namespace {

struct Options : RunOptions {
  bool dry_run = false;
};

void print_tally(const RunTally& tally, double seconds, const std::string& database) {
  fmt::print(stderr, "ok={} failed={} skipped={} cached={} wall={} db={}\n", tally.ok, tally.failed,
             tally.skipped, tally.cached, format_duration(seconds), database);
}

// What shared evaluations saved and held.
void print_shared(const run::SharedSummary& shared, const Options& options) {
  if (shared.trials == 0) return;
  fmt::print(
      stderr, "shared: {} trials in {} {}, {} of {} node evaluations a batch, peak {} of {}\n",
      shared.trials, shared.evaluations, shared.evaluations == 1 ? "evaluation" : "evaluations",
      format_count(shared.nodes_computed), format_count(shared.nodes_alone),
      format_bytes(static_cast<std::uint64_t>(shared.peak_bytes)), options.cache_memory);
}

ExitCode execute(const Options& options) {
  const auto start = std::chrono::steady_clock::now();
  const auto seconds = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  const std::vector<run::Slot> slots = slots_of(options);
  sweep::LoadedPlan loaded;
  std::vector<run::Decision> decisions;
  {
    const auto before = store::Store::open_if_exists(options.database);
    loaded = load(options, before ? &*before : nullptr);
    decisions = run::decide(loaded.plan, before ? &*before : nullptr, decide_options(options));
  }
  print_lints(loaded.plan);
  if (options.dry_run) {
    estimate(loaded.plan, decisions);
    print_plan(loaded, decisions, {});
    return ExitCode::kOk;
  }
  require_ready(loaded.plan, decisions);

  auto store = store::Store::open(options.database, store::Access::write);
  for (const std::string& attempt : store.reconcile().resolved) {
    spdlog::info("attempt {} ended with its run; recorded from its folder", attempt.substr(0, 16));
  }
  const RunTally tally = run_plan(loaded, options, slots, store);
  print_shared(tally.shared, options);
  print_tally(tally, seconds(), options.database);
  return tally.exit_code();
}

}  // namespace

void register_run(Registry<Command>& registry) {
  registry.add(
      {"run", "Run what is not done", [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         add_run_options(app, *options);
         app.add_flag("-n,--dry-run", options->dry_run, "Plan only");
         app.footer(
             "The last line on stderr is ok=… failed=… skipped=… cached=… wall=… db=…\n"
             "Ctrl-C and SIGTERM let each training write a checkpoint first (within 30 s);"
             "\nthe next run goes on from it, unless --force starts over. Exit codes: 130 "
             "after\nSIGINT; after SIGTERM 75 where a trial can go on from its checkpoint "
             "(\"run me\nagain\"), else 143. Where a stage fails, the trials that need its "
             "weights are\nskipped.\n"
             "Trials that share an evaluation (at most 32) have the sum of their time limits.\n"
             "Where their worker dies, runs out of memory or of time, the unfinished ones are\n"
             "tried again, each alone, beyond their --retries.\n"
             "Examples:\n  bitsweep run sweeps/quickstart.toml\n"
             "  bitsweep run sweeps/quickstart.toml quant.activation.bits=3..8 -j 2");
         return std::function<ExitCode()>([options] { return execute(*options); });
       }});
}

}  // namespace bitsweep::cli
