#include "ptq/trial.h"

#include <utility>

#include "core/stopwatch.h"
#include "data/order.h"
#include "exec/inference.h"
#include "ptq/evaluation_images.h"

namespace bitsweep::ptq {
namespace {

using quant::Place;

OutputQuantizers output_quantizers(const Prepared& prepared) {
  OutputQuantizers out(prepared.graph());
  for (std::size_t i = 0; i < prepared.sites.sites.size(); ++i) {
    const quant::QuantizerSite& site = prepared.sites.sites[i];
    if (site.place != Place::output) continue;
    if (prepared.dynamic) {
      out.follow(site);
    } else {
      out.fix(site.node, prepared.quantizers[i]);
    }
  }
  return out;
}

}  // namespace

Prepared Session::prepare(const config::TrialConfig& config, const Listener& listener) {
  return preparer_.prepare(config, [&](std::int64_t done) {
    if (listener.progress) listener.progress("calibrate", done, config.quant.calibration.images);
  });
}

Outcome Session::run(const config::TrialConfig& config, const Listener& listener) {
  const data::Dataset& dataset = data::datasets().get(config.data.name);
  Outcome out;
  out.prepared = prepare(config, listener);
  OutputQuantizers outputs = output_quantizers(out.prepared);

  const auto test = evaluation_images(config, dataset, preparer_.images());
  const std::vector<std::int64_t> positions =
      config.eval.shuffle
          ? data::drawn_order(test->count(), config.seed, data::OrderStream::evaluation)
          : data::file_order(test->count());
  const data::Normalization normalization = data::normalization(config.data.normalize, dataset);
  const graph::Parameters quantized = quantized_parameters(out.prepared);
  const exec::Inference network(out.prepared.graph(), quantized, device_,
                                performed_relus(out.prepared));
  out.accuracy = Accuracy(test->count());
  const Stopwatch watch;
  evaluate(
      network, {*test, positions, normalization}, config.eval.batch_size, std::ref(outputs),
      [&](std::int64_t position, std::span<const float> logits) {
        out.accuracy.add(position, logits, test->labels[static_cast<std::size_t>(position)]);
        if (listener.logits) listener.logits(position, logits);
      },
      [&](std::int64_t done) {
        if (listener.progress) listener.progress("evaluate", done, test->count());
      });
  out.evaluate_s = watch.seconds();
  out.quantizers = out.prepared.quantizers;
  for (std::size_t i = 0; i < out.quantizers.size(); ++i) {
    const quant::QuantizerSite& site = out.prepared.sites.sites[i];
    if (site.place == Place::output) out.quantizers[i] = *outputs.first(site.node);
  }
  out.counts = count_with(out.prepared, out.quantizers);
  return out;
}

}  // namespace bitsweep::ptq
