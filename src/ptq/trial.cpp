#include "ptq/trial.h"

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "core/stopwatch.h"
#include "data/order.h"
#include "ptq/evaluation_images.h"

namespace bitsweep::ptq {
namespace {

// The images of an evaluation, batch by batch.
struct Feed {
  std::shared_ptr<const data::Images> images;
  std::vector<std::int64_t> positions;
  config::NormalizeConfig normalize;
  std::int64_t batch_size = 0;
  friend bool operator==(const Feed&, const Feed&) = default;
};

Feed feed_of(const config::TrialConfig& config, data::ImageCache& cache) {
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  Feed out;
  out.images = evaluation_images(config, dataset, cache);
  out.positions = config.eval.shuffle ? data::drawn_order(out.images->count(), config.seed,
                                                          data::OrderStream::evaluation)
                                      : data::file_order(out.images->count());
  out.normalize = config.data.normalize;
  out.batch_size = config.eval.batch_size;
  return out;
}

}  // namespace

// A trial of a group that is ready to be evaluated.
struct Session::Running {
  const Request* request = nullptr;
  Feed feed;
  Outcome outcome;
};

Prepared Session::prepare(const config::TrialConfig& config, const Listener& listener) {
  return preparer_.prepare(config, [&](std::int64_t done) {
    if (listener.progress) listener.progress("calibrate", done, config.quant.calibration.images);
  });
}

Outcome Session::run(const config::TrialConfig& config, const Listener& listener) {
  std::optional<Outcome> out;
  std::exception_ptr failure;
  const Request request{config, listener, [&](Outcome outcome) { out = std::move(outcome); },
                        [&](std::exception_ptr error) { failure = std::move(error); }};
  run_group(std::span(&request, 1), {});
  if (failure) std::rethrow_exception(failure);
  return std::move(*out);
}

void Session::run_group(std::span<const Request> requests, const GroupOptions& options) {
  std::deque<Running> ready;
  for (const Request& request : requests) {
    try {
      const Stopwatch watch;
      Running member{&request, {}, {}};
      member.outcome.prepared = prepare(request.config, request.listener);
      member.feed = feed_of(request.config, preparer_.images());
      member.outcome.accuracy = Accuracy(member.feed.images->count());
      member.outcome.prepare_s = watch.seconds();
      ready.push_back(std::move(member));
    } catch (const Error&) {
      request.failed(std::current_exception());
    }
  }
  while (!ready.empty()) {
    std::vector<Running*> members;
    for (Running& member : ready) {
      if (member.feed == ready.front().feed) members.push_back(&member);
    }
    evaluate(members, options);
    const Feed fed = ready.front().feed;
    std::erase_if(ready, [&](const Running& member) { return member.feed == fed; });
  }
}

void Session::evaluate(std::span<Running*> members, const GroupOptions& options) {
  const Feed& feed = members.front()->feed;
  const data::Images& images = *feed.images;
  const data::Normalization normalization = data::normalization(
      feed.normalize, data::datasets().get(members.front()->request->config.data.name));
  const std::int64_t batch_size = std::min(feed.batch_size, images.count());
  std::vector<const Prepared*> prepared;
  for (const Running* member : members) prepared.push_back(&member->outcome.prepared);

  const Stopwatch watch;
  SharedEvaluation evaluation(prepared, device_, batch_size, options.cache_bytes);
  const auto run_batch = [&](std::span<const std::int64_t> positions, const at::Tensor& batch) {
    evaluation.run(batch, positions, [&](std::size_t m, const at::Tensor& logits) {
      const auto classes = static_cast<std::size_t>(logits.size(1));
      const float* row = logits.const_data_ptr<float>();
      for (const std::int64_t position : positions) {
        const std::span<const float> values(row, classes);
        members[m]->outcome.accuracy.add(position, values,
                                         images.labels[static_cast<std::size_t>(position)]);
        const OnLogits& on_logits = members[m]->request->listener.logits;
        if (on_logits) on_logits(position, values);
        row += classes;
      }
    });
  };
  const auto tell = [&](std::int64_t done) {
    for (std::size_t m = 0; m < members.size(); ++m) {
      const auto& progress = members[m]->request->listener.progress;
      if (progress && evaluation.is_running(m)) progress("evaluate", done, images.count());
    }
  };
  for_each_batch({images, feed.positions, normalization}, feed.batch_size, device_, run_batch,
                 tell);
  const double elapsed = watch.seconds();
  if (options.evaluated) options.evaluated(evaluation.counts());

  // Apart from its nodes, an evaluation decodes batches and counts hits: in equal parts.
  double rest = elapsed;
  for (std::size_t m = 0; m < members.size(); ++m) rest -= evaluation.seconds(m);
  for (std::size_t m = 0; m < members.size(); ++m) {
    const Request& request = *members[m]->request;
    if (!evaluation.is_running(m)) {
      request.failed(evaluation.failure(m));
      continue;
    }
    Outcome& outcome = members[m]->outcome;
    outcome.evaluate_s = evaluation.seconds(m) + rest / static_cast<double>(members.size());
    outcome.quantizers = evaluation.quantizers(m);
    outcome.counts = count_with(outcome.prepared, outcome.quantizers);
    outcome.weight_codes = weight_code_lengths(outcome.prepared);
    outcome.activation_codes =
        activation_code_lengths(outcome.prepared, request.config, preparer_.images(), device_);
    request.done(std::move(outcome));
  }
}

}  // namespace bitsweep::ptq
