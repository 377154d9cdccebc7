#include "worker/bench_shared.h"

#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/text.h"
#include "exec/device.h"
#include "ptq/trial.h"
#include "worker/bench_times.h"
#include "worker/bench_trials.h"

namespace bitsweep::worker {
namespace {

using Configs = std::vector<config::TrialConfig>;

constexpr std::size_t kLayers = 20;  // of ResNet20 with shortcut A
constexpr std::size_t kLastFifth = 4;

config::TrialConfig with_weight_bits(const std::vector<int>& bits) {
  const config::List list(bits.begin(), bits.end());
  return bench_trial({{"quant.weight.bits", list},
                      {"quant.weight.granularity", "channel"},
                      {"quant.activation.bits", 8},
                      {"quant.activation.granularity", "channel"},
                      {"data.test_images", 256},
                      {"eval.batch_size", 128}});
}

Configs sensitivity_sweep() {
  Configs out;
  for (std::size_t layer = 0; layer < kLayers; ++layer) {
    std::vector<int> bits(kLayers, 8);
    bits[layer] = 4;
    out.push_back(with_weight_bits(bits));
  }
  return out;
}

// 8 or 3 bits in each layer of the last fifth.
Configs last_fifth_grid() {
  Configs out;
  for (unsigned choice = 0; choice < 1u << kLastFifth; ++choice) {
    std::vector<int> bits(kLayers, 8);
    for (std::size_t k = 0; k < kLastFifth; ++k) {
      if ((choice >> k & 1u) != 0) bits[kLayers - kLastFifth + k] = 3;
    }
    out.push_back(with_weight_bits(bits));
  }
  return out;
}

ptq::SharedCounts evaluate_together(ptq::Session& session, const Configs& configs) {
  ptq::SharedCounts counts;
  std::vector<ptq::Request> requests;
  for (const config::TrialConfig& config : configs) {
    requests.push_back(
        {config,
         {},
         [](const ptq::Outcome&) {},
         [](std::exception_ptr error) { std::rethrow_exception(std::move(error)); }});
  }
  ptq::GroupOptions options;
  options.evaluated = [&](const ptq::SharedCounts& evaluated) { counts = evaluated; };
  session.run_group(requests, options);
  return counts;
}

nlohmann::json compare(const std::string& name, const Configs& configs,
                       const SharedBenchOptions& options) {
  ptq::Session session(at::kCPU);
  const ptq::SharedCounts counts = evaluate_together(session, configs);  // calibrates, too
  std::vector<double> ours, theirs, ratios;
  for (int i = 0; i < options.repeats; ++i) {
    theirs.push_back(seconds([&] {
      for (const config::TrialConfig& config : configs) session.run(config, {});
    }));
    ours.push_back(seconds([&] { evaluate_together(session, configs); }));
    ratios.push_back(theirs.back() / ours.back());
  }
  const double ratio = median(ratios);
  const double bound =
      static_cast<double>(counts.nodes_alone) / static_cast<double>(counts.distinct_nodes);
  return {{"name", name},
          {"peer", "one configuration at a time"},
          {"unit", "seconds"},
          {"ours", median(ours)},
          {"peer_value", median(theirs)},
          {"ratio", ratio},
          {"repeats", options.repeats},
          {"threads", options.threads},
          {"configurations", configs.size()},
          {"node_evaluations_alone", counts.nodes_alone},
          {"node_evaluations", counts.evaluations},
          {"distinct_nodes", counts.distinct_nodes},
          {"bound", bound},
          {"of_bound", ratio / bound},
          {"peak_bytes", counts.peak_bytes},
          {"note", fmt::format("seconds; {} configurations, {} of {} node evaluations a batch "
                               "(bound: {} distinct nodes, {:.2f}×), {:.2f} of it, peak {}",
                               configs.size(), counts.evaluations, counts.nodes_alone,
                               counts.distinct_nodes, bound, ratio / bound,
                               format_bytes(static_cast<std::uint64_t>(counts.peak_bytes)))}};
}

}  // namespace

nlohmann::json bench_shared(const SharedBenchOptions& options) {
  exec::set_threads(options.threads);
  return nlohmann::json::array(
      {compare("ResNet20, each layer alone at 4 bits", sensitivity_sweep(), options),
       compare("ResNet20, grid over the last fifth", last_fifth_grid(), options)});
}

}  // namespace bitsweep::worker
