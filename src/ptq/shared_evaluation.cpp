#include "ptq/shared_evaluation.h"

#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/stopwatch.h"

namespace bitsweep::ptq {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

// The merged nodes of a member in execution order, its result last.
std::vector<int> values_of(const std::vector<int>& places) {
  std::vector<int> out;
  for (const int place : places) {
    if (std::ranges::find(out, place) == out.end()) out.push_back(place);
  }
  std::erase(out, places.back());
  out.push_back(places.back());
  return out;
}

}  // namespace

SharedEvaluation::SharedEvaluation(std::vector<const Prepared*> members, at::Device device,
                                   std::int64_t batch_size, std::int64_t most_bytes)
    : members_(std::move(members)),
      batch_size_(batch_size),
      most_bytes_(most_bytes),
      merged_(merge(members_, device)),
      states_(merged_.nodes.size()),
      failures_(members_.size()) {
  counts_.members = static_cast<std::int64_t>(members_.size());
  for (const std::vector<int>& places : merged_.places) {
    for (const int value : values_of(places)) ++states_[at(value)].members;
    counts_.nodes_alone += static_cast<std::int64_t>(values_of(places).size()) - 1;  // the input
  }
  counts_.distinct_nodes = static_cast<std::int64_t>(merged_.nodes.size()) - 1;
  schedule();
  counts_.evaluations = static_cast<std::int64_t>(schedule_.steps.size()) - 1;
  counts_.peak_bytes = schedule_.peak_bytes;
}

void SharedEvaluation::schedule() {
  std::vector<ValueSpec> values;
  for (const MergedNode& node : merged_.nodes) {
    const std::int64_t elements = node.node->output.elements();
    values.push_back({node.inputs, elements * batch_size_ * std::int64_t{sizeof(float)}});
  }
  std::vector<std::vector<int>> running;
  scheduled_.clear();
  for (std::size_t m = 0; m < members_.size(); ++m) {
    if (!is_running(m)) continue;
    scheduled_.push_back(m);
    running.push_back(values_of(merged_.places[m]));
  }
  schedule_ = make_schedule(values, running, most_bytes_);
}

void SharedEvaluation::run(const at::Tensor& images, std::span<const std::int64_t> positions,
                           const OnLogits& on_logits) {
  const c10::InferenceMode inference;
  fed_ = positions;
  bool diverged = false;
  for (State& state : states_) state.failure = nullptr;
  for (const Step& step : schedule_.steps) {
    State& state = states_[at(step.value)];
    for (const int dropped : step.drop_before) states_[at(dropped)].value.reset();
    const Stopwatch watch;
    if (merged_.nodes[at(step.value)].inputs.empty()) {
      state.value = images;
    } else {
      compute(step);
    }
    state.seconds += watch.seconds();
    for (const int m : step.members) {
      const std::size_t member = scheduled_[at(m)];
      try {
        if (state.failure) std::rethrow_exception(state.failure);
        on_logits(member, state.value.flatten(1).cpu().contiguous());
      } catch (const Diverged&) {
        failures_[member] = std::current_exception();
        diverged = true;
      }
    }
    for (const int dropped : step.drop_after) states_[at(dropped)].value.reset();
  }
  if (diverged) schedule();
}

void SharedEvaluation::compute(const Step& step) {
  State& state = states_[at(step.value)];
  const std::vector<int>& from = merged_.nodes[at(step.value)].inputs;
  // Moved out at their last use, so that an operator can tell that it may overwrite them. A value
  // that is read twice is moved at its second place and still shared at the first.
  std::vector<at::Tensor> inputs;
  for (std::size_t i = 0; i < from.size(); ++i) {
    State& input = states_[at(from[i])];
    if (input.failure) {
      state.failure = input.failure;
      return;
    }
    const bool again = std::find(from.begin() + static_cast<std::ptrdiff_t>(i) + 1, from.end(),
                                 from[i]) != from.end();
    const bool last =
        !again && std::ranges::find(step.drop_after, from[i]) != step.drop_after.end();
    inputs.push_back(last ? std::move(input.value) : input.value);
  }
  try {
    state.value = output_of(at(step.value), inputs);
  } catch (const Diverged&) {
    state.failure = std::current_exception();
  }
}

at::Tensor SharedEvaluation::output_of(std::size_t node, std::span<at::Tensor> inputs) {
  const MergedNode& merged = merged_.nodes[node];
  const graph::Node& what = *merged.node;
  at::Tensor value =
      merged.passes_on ? inputs.front() : exec::compute(what, inputs, merged.tensors);
  BITSWEEP_CHECK(value.size(1) == what.output.channels && value.size(2) == what.output.height &&
                     value.size(3) == what.output.width,
                 "'{}' computed {}x{}x{}", what.name, value.size(1), value.size(2), value.size(3));
  if (merged.quantizer == nullptr && merged.dynamic == nullptr) return value;
  // An output that is its input under another name may have other readers.
  for (at::Tensor& input : inputs) input.reset();
  if (value.use_count() > 1 || value.storage().use_count() > 1) value = value.clone();
  quantize(node, value);
  return value;
}

void SharedEvaluation::quantize(std::size_t node, at::Tensor& value) {
  const MergedNode& merged = merged_.nodes[node];
  if (merged.dynamic == nullptr) return merged.quantizer->apply(value, fed_);
  Quantizer quantizer = activation_quantizer(
      *merged.dynamic, statistics(value, detail_for(*merged.dynamic), merged.node->name));
  quantizer.apply(value, fed_);
  if (!states_[node].first) states_[node].first = std::move(quantizer);
}

std::vector<Quantizer> SharedEvaluation::quantizers(std::size_t member) const {
  const Prepared& prepared = *members_[member];
  std::vector<Quantizer> out = prepared.quantizers;
  if (!prepared.dynamic) return out;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const quant::QuantizerSite& site = prepared.sites.sites[i];
    if (site.place != quant::Place::output) continue;
    out[i] = *states_[at(merged_.places[member][at(site.node)])].first;
  }
  return out;
}

double SharedEvaluation::seconds(std::size_t member) const {
  double sum = 0;
  for (const int value : values_of(merged_.places[member])) {
    sum += states_[at(value)].seconds / states_[at(value)].members;
  }
  return sum;
}

}  // namespace bitsweep::ptq
