// `bitsweep export`: a finished trial's network as a file, packed or for other programs; or a layer
// of it as hardware.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.h"
#include "cli/export_formats.h"
#include "cli/hardware.h"
#include "cli/known_task.h"
#include "cli/known_trial.h"
#include "cli/locations.h"
#include "cli/table.h"
#include "core/text.h"
#include "export/quantized_file.h"
#include "integer/file.h"
#include "run/ask.h"
#include "store/store.h"

namespace bitsweep::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Options {
  std::string id;
  std::string output;  // "": by the trial's key, in the working folder
  std::string format = "safetensors";
  std::string database = kDefaultDatabase;
  std::string device;   // "": as before
  std::string weights;  // "": found by digest
  std::string layer;    // of --format verilog
  std::optional<std::int64_t> image;
  bool simulate = false;
  bool json = false;
};

// A file that goes with this object.
class TemporaryFile {
 public:
  TemporaryFile() {
    std::string pattern = (fs::temp_directory_path() / "bitsweep-export-XXXXXX").string();
    const int descriptor = ::mkstemp(pattern.data());
    if (descriptor < 0) throw EnvironmentError(fmt::format("{}: cannot be made", pattern));
    ::close(descriptor);
    path_ = pattern;
  }
  ~TemporaryFile() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

// The trial's recorded result must be what its network gives again, before anything is written.
void check_reproduced(const KnownTrial& known, const exporting::Recorded& again) {
  const store::Bitmap* before = nullptr;
  for (const store::Bitmap& bitmap : known.attempt.bitmaps) {
    if (bitmap.evaluation == "top1") before = &bitmap;
  }
  if (before == nullptr || before->sha256 == again.bitmap_sha256) return;
  const std::string what = fmt::format(
      "trial {} recorded {} of {} images right, its network made again has {}",
      short_key(known.trial.key), known.attempt.finals.value("correct", std::int64_t{0}),
      before->images, again.correct);
  for (const auto& [field, value] : again.fingerprint.items()) {
    if (known.attempt.fingerprint.value(field, json()) == value) continue;
    // On another machine or library the last bits may differ: that is told, and is no failure.
    fmt::print(stderr, "bitsweep: {}; {} was {}, is {}\n", what, field,
               known.attempt.fingerprint.value(field, json()).dump(), value.dump());
    return;
  }
  throw Error(what + ", on the same numeric fingerprint");
}

json question(const char* word, const KnownTrial& known, const Options& options,
              const fs::path& file) {
  const run::Task task = known_task(known, options.database, options.weights);
  json question = {{"question", word},
                   {"key", task.key},
                   {"name", task.name},
                   {"settings", task.settings},
                   {"paths", task.paths},
                   {"file", file.string()},
                   {"device", options.device.empty() ? known.attempt.device : options.device},
                   {"threads", known.attempt.fingerprint.value("threads", 1)}};
  if (task.settings.value("kind", "") == "train") {
    question["trained_weights"] = trained_weights(known, options.database);
  }
  return question;
}

exporting::QuantizedNetwork make_network(const KnownTrial& known, const Options& options) {
  const TemporaryFile file;
  run::ask_worker(worker_program(), question("export", known, options, file.path()));
  exporting::QuantizedNetwork network = exporting::read_quantized(file.path());
  check_reproduced(known, network.recorded);
  return network;
}

std::int64_t grown(const std::vector<exporting::LayerSize>& sizes,
                   std::int64_t exporting::LayerSize::*member) {
  std::int64_t out = 0;
  for (const exporting::LayerSize& size : sizes) out += size.*member;
  return out;
}

json to_json(const exporting::LayerSize& size) {
  const auto after = static_cast<double>(size.packed_bytes + size.grid_bytes);
  return {{"layer", size.layer},
          {"weights", size.weights},
          {"bits", size.bits},
          {"float_bytes", size.float_bytes},
          {"packed_bytes", size.packed_bytes},
          {"grid_bytes", size.grid_bytes},
          {"other_bytes", size.other_bytes},
          {"ratio", static_cast<double>(size.float_bytes) / after}};
}

json report(const exporting::QuantizedNetwork& network, const Written& written) {
  const auto sizes = exporting::layer_sizes(network);
  json rows = json::array();
  for (const exporting::LayerSize& size : sizes) rows.push_back(to_json(size));
  using Size = exporting::LayerSize;
  return {{"schema_version", 1},
          {"key", network.key},
          {"name", network.name},
          {"format", written.format},
          {"files", written.files},
          {"file_bytes", written.bytes},
          {"float_bytes", grown(sizes, &Size::float_bytes)},
          {"packed_bytes", grown(sizes, &Size::packed_bytes)},
          {"grid_bytes", grown(sizes, &Size::grid_bytes)},
          {"other_bytes", grown(sizes, &Size::other_bytes)},
          {"recorded",
           {{"images", network.recorded.images},
            {"correct", network.recorded.correct},
            {"top1", network.recorded.top1},
            {"bitmap_sha256", network.recorded.bitmap_sha256},
            {"logits_sha256", network.recorded.logits_sha256}}},
          {"rows", rows}};
}

void print(const json& report) {
  std::vector<json> rows = report.at("rows");
  rows.push_back({{"layer", "total"},
                  {"float_bytes", report.at("float_bytes")},
                  {"packed_bytes", report.at("packed_bytes")},
                  {"grid_bytes", report.at("grid_bytes")},
                  {"other_bytes", report.at("other_bytes")}});
  fmt::print("{}", render(make_table(rows, {"layer", "weights", "bits", "float_bytes",
                                            "packed_bytes", "grid_bytes", "other_bytes", "ratio"}),
                          Format::table, output_width()));
  const auto& recorded = report.at("recorded");
  fmt::print("\n{}: {} of {} images right (top1 {:.4f})\n", report.at("name").get<std::string>(),
             recorded.at("correct").get<std::int64_t>(), recorded.at("images").get<std::int64_t>(),
             recorded.at("top1").get<double>());
  for (const auto& file : report.at("files")) fmt::print("wrote {}\n", file.get<std::string>());
  fmt::print("{} in {}, weights in float32 {}\n",
             format_bytes(report.at("file_bytes").get<std::uint64_t>()),
             report.at("files").size() == 1 ? "the file"
                                            : fmt::format("{} files", report.at("files").size()),
             format_bytes(report.at("float_bytes").get<std::uint64_t>()));
}

json report(const Simulation& simulation) {
  json out = {{"expected", simulation.expected}, {"simulated", simulation.simulated},
              {"equal", simulation.equal},       {"clocks", simulation.clocks},
              {"seconds", simulation.seconds},   {"is_equal", simulation.is_equal()}};
  if (simulation.first_difference) out["first_difference"] = *simulation.first_difference;
  return out;
}

void print_layer(const json& report) {
  fmt::print("{}: layer {} on test image {}\n", report.at("name").get<std::string>(),
             report.at("layer").get<std::string>(), report.at("image").get<std::int64_t>());
  for (const auto& file : report.at("files")) fmt::print("wrote {}\n", file.get<std::string>());
  const auto simulation = report.find("simulation");
  if (simulation == report.end()) return;
  const auto count = [&](const char* name) { return simulation->at(name).get<std::int64_t>(); };
  fmt::print("simulated {} clocks: {} of {} outputs equal to the integer executor's ({})\n",
             format_count(count("clocks")), count("equal"), count("expected"),
             format_duration(simulation->at("seconds").get<double>()));
  if (simulation->contains("first_difference")) {
    fmt::print("the first difference is at output {}, of {} simulated ones\n",
               count("first_difference"), count("simulated"));
  }
}

void check_kind(const ExportFormat& format, const KnownTrial& known) {
  const std::string kind = known.trial.config.value("kind", "");
  if (format.source == Source::network || kind == "train") return;
  throw ConfigError(fmt::format(
      "--format {}: whole numbers with fixed-point multipliers are made from trainings with "
      "quantizers (kind = \"train\"); trial {} is kind = \"{}\"",
      format.name, short_key(known.trial.key), kind));
}

void check_layer_options(const ExportFormat& format, const Options& options) {
  if (format.source == Source::layer) return;
  const char* given = !options.layer.empty() ? "--layer" : options.image ? "--image" : "--simulate";
  if (options.layer.empty() && !options.image && !options.simulate) return;
  throw ConfigError(
      fmt::format("{} belongs to --format verilog, not to --format {}", given, format.name));
}

ExitCode run(const Options& options) {
  const ExportFormat& format = export_format(options.format);
  check_layer_options(format, options);
  if (options.simulate) require_simulator();
  const KnownTrial known = find_known_trial(options.id, options.database);
  check_kind(format, known);
  // Whole numbers first: what they refuse is told before the test images are run.
  const TemporaryFile packed;
  std::optional<integer::Network> integers;
  if (format.source != Source::network) {
    run::ask_worker(worker_program(), question("export_integers", known, options, packed.path()));
    integers = integer::load(exporting::SafetensorsFile::read(packed.path()));
  }
  const std::int64_t image = options.image.value_or(0);
  std::optional<integer::Hardware> hardware;
  if (format.source == Source::layer) {
    hardware = layer_hardware(*integers, known.trial.config, options.layer, image);
  }
  const exporting::QuantizedNetwork network = make_network(known, options);
  const fs::path path = options.output.empty()
                            ? "bitsweep-" + short_key(known.trial.key) + format.suffix
                            : options.output;
  const Written written = format.write(
      {network, integers ? &*integers : nullptr, packed.path(), hardware ? &*hardware : nullptr},
      path);
  json out = report(network, written);
  if (hardware) out.update({{"layer", options.layer}, {"image", image}});
  bool equal = true;
  if (options.simulate) {
    const Simulation simulation = simulate(*hardware, path);
    equal = simulation.is_equal();
    out["simulation"] = report(simulation);
  }
  if (options.json) {
    fmt::print("{}\n", out.dump(2));
  } else if (hardware) {
    print_layer(out);
  } else {
    print(out);
  }
  return equal ? ExitCode::kOk : ExitCode::kTrialFailed;
}

}  // namespace

void register_export(Registry<Command>& registry) {
  registry.add(
      {"export", "Write a finished trial's network as a file, its weights really packed",
       [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         app.add_option("id", options->id, "Key, name, or REPORT#CELL")->required();
         app.add_option("-o,--output", options->output,
                        "File, or folder where the format has several (default: by the key)");
         app.add_option("--format", options->format, export_format_summary())
             ->capture_default_str();
         app.add_option("--db", options->database, "Database")->capture_default_str();
         app.add_option("--device", options->device, "Device (default: the one it ran on)");
         app.add_option("--weights", options->weights,
                        "Weight file, where it is not found by its SHA-256");
         app.add_option("--layer", options->layer,
                        "Of --format verilog: a convolution, linear layer or the classifier");
         app.add_option("--image", options->image,
                        "Of --format verilog: test image whose codes the layer reads (default: 0)")
             ->check(CLI::NonNegativeNumber);
         app.add_flag("--simulate", options->simulate,
                      "Of --format verilog: run it in Icarus Verilog and compare every output with "
                      "the integer executor; exits 1 where one differs");
         app.add_flag("--json", options->json, "JSON");
         app.footer(
             "Makes the trial's network again, runs it on the trial's test images, and writes\n"
             "it only where the result is the recorded one. Formats: docs/formats.md.\n"
             "Examples:\n"
             "  bitsweep export 3f9a12 -o resnet20-4bit.safetensors\n"
             "  bitsweep export 3f9a12 --format onnx -o resnet20-4bit.onnx\n"
             "  bitsweep export 3f9a12 --format c -o resnet20.h\n"
             "  bitsweep export 3f9a12 --format verilog --layer conv1 --simulate\n"
             "  bitsweep export 'quickstart/method=all' --json");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
