#include "worker/questions.h"

#include <cmath>
#include <map>
#include <optional>

#include "core/error.h"
#include "core/text.h"
#include "exec/device.h"
#include "export/quantized_file.h"
#include "export/trained_network.h"
#include "ptq/exported.h"
#include "ptq/tensor_distance.h"
#include "worker/configuration.h"
#include "worker/integer_questions.h"

namespace bitsweep::worker {
namespace {

using config::TrialConfig;
using exporting::QuantizedNetwork;
using nlohmann::json;

std::string hex(std::span<const std::byte> bytes) {
  std::string out;
  for (const std::byte byte : bytes) out += fmt::format("{:02x}", std::to_integer<int>(byte));
  return out;
}

class Answerer {
 public:
  Answerer(const json& question, const Send& send)
      : question_(question), send_(send), device_(open()) {}

  json answer() {
    static const std::map<std::string, json (Answerer::*)()> kQuestions = {
        {"export", &Answerer::export_trial},
        {"verify", &Answerer::verify},
        {"compare", &Answerer::compare},
        {"distances", &Answerer::distances},
        {"export_integers", &Answerer::integers},
        {"compare_integers", &Answerer::integer_comparison}};
    const auto word = question_.at("question").get<std::string>();
    const auto known = kQuestions.find(word);
    if (known != kQuestions.end()) return (this->*known->second)();
    std::vector<std::string> words;
    for (const auto& [name, function] : kQuestions) words.push_back(name);
    throw ConfigError(unknown_name_message("question", word, words));
  }

 private:
  at::Device open() const {
    exec::set_threads(question_.at("threads").get<int>());
    return exec::open_device(question_.at("device").get<std::string>());
  }

  ptq::OnProgress progress(const char* phase, std::int64_t total) const {
    return [this, phase, total](std::int64_t done) {
      send_({{"event", "progress"}, {"phase", phase}, {"done", done}, {"total", total}});
    };
  }

  TrialConfig config() const {
    return trial_config(question_.at("settings"), question_.at("paths"));
  }

  // The trial's network, made again.
  QuantizedNetwork make(const TrialConfig& config) {
    const json& settings = question_.at("settings");
    if (config.kind == config::TrialKind::train) {
      return exporting::trained_network(config, settings,
                                        question_.at("trained_weights").get<std::string>());
    }
    ptq::Preparer preparer(device_);
    const ptq::Prepared prepared =
        preparer.prepare(config, progress("calibrate", config.quant.calibration.images));
    return ptq::exported_network(prepared, settings, config);
  }

  QuantizedNetwork read() const {
    return exporting::read_quantized(question_.at("file").get<std::string>());
  }

  ptq::ExportedRun run(const QuantizedNetwork& network, const TrialConfig& config) const {
    const std::int64_t images =
        config.data.test_images.value_or(data::datasets().get(config.data.name).test.images());
    return ptq::run_exported(network, config, device_, progress("evaluate", images));
  }

  json export_trial() {
    const TrialConfig config = this->config();
    QuantizedNetwork network = make(config);
    network.key = question_.at("key");
    network.name = question_.at("name");
    const ptq::ExportedRun run = this->run(network, config);
    network.recorded = run.recorded();
    network.recorded.fingerprint = exec::fingerprint(device_);
    exporting::write_quantized(question_.at("file").get<std::string>(), network);
    return {{"recorded", to_json(network.recorded)}, {"bitmap", hex(run.accuracy.bitmap())}};
  }

  json verify() {
    const QuantizedNetwork network = read();
    const TrialConfig config =
        trial_config(network.settings, question_.value("paths", json::object()),
                     network.graph.node(0).output.height);
    const ptq::ExportedRun run = this->run(network, config);
    exporting::Recorded again = run.recorded();
    again.fingerprint = exec::fingerprint(device_);
    return {{"again", to_json(again)}, {"bitmap", hex(run.accuracy.bitmap())}};
  }

  // One test image of the trial as the network reads it.
  struct Image {
    std::vector<float> values;
    std::int32_t label = 0;
  };
  Image image(const QuantizedNetwork& network, const TrialConfig& config) const {
    const data::Dataset& dataset = data::datasets().get(config.data.name);
    const data::Images test = data::load_images(
        dataset, data::selection_of(config.data, data::Split::test), config.data.root);
    const auto position = question_.at("image").get<std::int64_t>();
    if (position < 0 || position >= test.count()) {
      throw ConfigError(
          fmt::format("--image {}: the trial has {} test images, from 0", position, test.count()));
    }
    Image out;
    out.values.resize(static_cast<std::size_t>(test.shape.elements()));
    data::normalized_batch(test, std::span(&position, 1), network.normalization, out.values.data());
    out.label = test.labels[static_cast<std::size_t>(position)];
    return out;
  }

  static json row(const std::string& name, const ptq::TensorDistance& distance) {
    return {{"name", name},
            {"elements", distance.elements},
            {"mse", distance.mse},
            {"sqnr_db", std::isfinite(distance.sqnr_db) ? json(distance.sqnr_db) : json()},
            {"max_abs", distance.max_abs},
            {"cosine", distance.cosine},
            {"equal", distance.equal}};
  }

  // Of the nodes that both have, in order.
  static json rows(const QuantizedNetwork& network, const std::vector<ptq::NodeValue>& reference,
                   const std::vector<ptq::NodeValue>& other) {
    json out = json::array();
    for (const ptq::NodeValue& value : other) {
      const auto same = std::ranges::find(reference, value.node, &ptq::NodeValue::node);
      if (same == reference.end() || same->values.size() != value.values.size()) continue;
      const graph::Node& node = network.graph.node(value.node);
      json line = row(node.name, ptq::distance(same->values, value.values));
      line["op"] = graph::op_name(node);
      out.push_back(std::move(line));
    }
    return out;
  }

  json compare() {
    const TrialConfig config = this->config();
    const QuantizedNetwork file = read();
    const QuantizedNetwork trial = make(config);
    json weights = json::array();
    for (const exporting::WeightCodes& weight : trial.weights) {
      const std::string name = trial.graph.node(weight.node).name;
      if (!file.parameters.contains(name + ".weight")) continue;
      json line = row(name, ptq::distance(trial.parameters.values(name + ".weight"),
                                          file.parameters.values(name + ".weight")));
      const exporting::WeightCodes* codes = file.weight_of(file.graph.find(name));
      line["same_codes"] = codes != nullptr && codes->codes == weight.codes;
      weights.push_back(std::move(line));
    }
    const Image image = this->image(file, config);
    return {{"label", image.label},
            {"weights", std::move(weights)},
            {"outputs", rows(file, ptq::node_values(trial, image.values),
                             ptq::node_values(file, image.values))}};
  }

  json distances() {
    const TrialConfig config = this->config();
    const QuantizedNetwork file = read();
    const Image image = this->image(file, config);
    return {{"label", image.label},
            {"outputs", rows(file, float_values(file, config, image.values),
                             ptq::node_values(file, image.values))}};
  }

  std::vector<ptq::NodeValue> float_values(const QuantizedNetwork& file, const TrialConfig& config,
                                           std::span<const float> image) const {
    TrialConfig from = config;
    if (file.is_trained()) from.model.weights = question_.at("trained_weights").get<std::string>();
    ptq::FloatNetworks networks;
    const auto network = networks.get(from, data::datasets().get(config.data.name));
    return ptq::float_node_values(file, network->weights, image);
  }

  json integers() { return export_integers(question_, config(), device_); }
  json integer_comparison() { return compare_integers(question_, config(), device_, send_); }

  const json& question_;
  const Send& send_;
  at::Device device_;
};

}  // namespace

void answer(const json& question, const Send& send) {
  const auto refuse = [&](const char* message, ExitCode code) {
    send({{"event", "refused"}, {"message", message}, {"exit_code", static_cast<int>(code)}});
  };
  try {
    json out = Answerer(question, send).answer();
    out["event"] = "answer";
    send(out);
  } catch (const Error& error) {
    refuse(error.what(), error.exit_code());
  } catch (const std::exception& error) {
    refuse(error.what(), ExitCode::kTrialFailed);
  }
}

}  // namespace bitsweep::worker
