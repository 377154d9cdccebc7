// `bitsweep inspect`: what an exported file, a checkpoint or a weight file holds.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/known_task.h"
#include "cli/known_trial.h"
#include "cli/locations.h"
#include "cli/table.h"
#include "core/error.h"
#include "core/text.h"
#include "export/inspection.h"
#include "export/quantized_file.h"
#include "integer/file.h"
#include "integer/inspection.h"
#include "run/ask.h"

namespace bitsweep::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

struct Options {
  std::string file;
  std::string layer;
  std::string format = "table";
  int bins = 32;
  bool dump = false;
  std::int64_t image = 0;
  std::string database = kDefaultDatabase;
  std::string weights;
};

constexpr std::size_t kDefaultWidth = 80;

std::size_t width() { return output_width() == 0 ? kDefaultWidth : output_width(); }

// Bounds of codes as "0 … 15" under `name`.
void join_bounds(json& row, const std::string& name) {
  const auto low = row.find(name + "_low"), high = row.find(name + "_high");
  if (low == row.end() || high == row.end()) return;
  row[name + "_codes"] = fmt::format("{} … {}", low->dump(), high->dump());
}

// Values that differ from channel to channel as "0.01 … 0.2"; a shape as "16x3x3x3".
void shorten(json& row) {
  for (const char* name : {"scale", "zero_point", "qmin", "qmax"}) {
    const auto it = row.find(name);
    if (it == row.end() || !it->is_array()) continue;
    *it = fmt::format("{:.4g} … {:.4g}", it->at(0).get<double>(), it->at(1).get<double>());
  }
  for (const char* name : {"multiplier", "offset", "other_multiplier"}) {
    const auto it = row.find(name);
    if (it == row.end() || !it->is_array()) continue;
    const bool one = it->at(0) == it->at(1);
    *it = one ? it->at(0).dump() : fmt::format("{} … {}", it->at(0).dump(), it->at(1).dump());
  }
  join_bounds(row, "input");
  join_bounds(row, "output");
  if (const auto shape = row.find("shape"); shape != row.end()) {
    *shape = fmt::format("{}", fmt::join(shape->get<std::vector<std::int64_t>>(), "x"));
  }
}

void print_about(const exporting::Inspection& inspection, const std::string& file) {
  fmt::print("{}: {}\n", file, inspection.kind);
  for (const auto& [name, value] : inspection.about) fmt::print("  {} = {}\n", name, value);
  fmt::print("\n");
}

// The columns that any row has, of these.
std::vector<std::string> present(const std::vector<json>& rows,
                                 const std::vector<std::string>& columns) {
  std::vector<std::string> out;
  for (const std::string& column : columns) {
    for (const json& row : rows) {
      if (!row.contains(column)) continue;
      out.push_back(column);
      break;
    }
  }
  return out;
}

// Of exported networks, checkpoints and weight files.
const std::vector<std::string> kColumns = {
    "name",       "kind",     "dtype",      "shape", "quantizer", "half_range", "granularity",
    "bits",       "elements", "min",        "max",   "mean",      "std",        "zeros",
    "not_finite", "scale",    "zero_point", "qmin",  "qmax",      "corrected",  "alpha"};
const std::vector<std::string> kShortColumns = {"name", "kind",     "dtype", "shape", "quantizer",
                                                "bits", "elements", "min",   "max",   "mean",
                                                "std",  "zeros",    "scale", "alpha"};
// Of whole numbers.
const std::vector<std::string> kIntegerColumns = {
    "name",          "kind",        "shape",       "bits",   "elements",
    "min",           "max",         "mean",        "std",    "zeros",
    "scale",         "multiplier",  "multipliers", "offset", "other_multiplier",
    "fraction_bits", "added_shift", "input_shift", "input",  "other",
    "input_scale",   "input_low",   "input_high",  "output", "output_scale",
    "output_low",    "output_high", "quantized",   "alpha"};
const std::vector<std::string> kShortIntegerColumns = {
    "name",  "kind",       "shape",         "bits",        "min",          "max",          "zeros",
    "scale", "multiplier", "fraction_bits", "input_codes", "output_codes", "output_scale", "alpha"};
// As a table two of them, each of which fits on a line.
const std::vector<std::vector<std::string>> kIntegerTables = {
    {"name", "kind", "shape", "bits", "min", "max", "mean", "zeros", "scale"},
    {"name", "multiplier", "fraction_bits", "input_codes", "output_codes", "output_scale",
     "alpha"}};

ExitCode show_all(const exporting::SafetensorsFile& file, const Options& options) {
  const bool whole = integer::is_integer_file(file);
  const exporting::Inspection inspection =
      whole ? integer::inspect(file) : exporting::inspect(file);
  const Format format = format_from_name(options.format);
  std::vector<json> rows = inspection.rows;
  if (is_for_people(format)) {
    for (json& row : rows) shorten(row);
  }
  if (format == Format::table) print_about(inspection, options.file);
  if (whole && format == Format::table) {
    for (const auto& columns : kIntegerTables) {
      fmt::print("{}\n", render(make_table(rows, present(rows, columns)), format, width()));
    }
    return ExitCode::kOk;
  }
  const std::vector<std::string> columns =
      is_for_people(format) ? present(rows, whole ? kShortIntegerColumns : kShortColumns)
                            : present(rows, whole ? kIntegerColumns : kColumns);
  fmt::print("{}", render(make_table(rows, columns), format, width()));
  return ExitCode::kOk;
}

// A column's heading; all of them fit on a line of 80.
std::string short_name(const std::string& name) {
  if (name == "correction_scale") return "factor";
  if (name == "correction_shift") return "shift";
  return name == "zero_point" ? "zero" : name;
}

void print_channels(const json& row) {
  if (!row.contains("channels")) return;
  const json& channels = row.at("channels");
  std::vector<json> rows;
  std::size_t count = 0;
  for (const json& values : channels) count = std::max(count, values.size());
  for (std::size_t c = 0; c < count; ++c) {
    json line = {{"channel", count == 1 ? json("all") : json(c)}};
    for (const auto& [name, values] : channels.items()) {
      if (c < values.size()) line[short_name(name)] = values.at(c);
    }
    rows.push_back(std::move(line));
  }
  fmt::print("{}",
             render(make_table(rows, present(rows, {"channel", "bits", "scale", "zero", "origin",
                                                    "qmin", "qmax", "factor", "shift", "rescale",
                                                    "multiplier", "offset", "other_multiplier"})),
                    Format::table, width()));
}

ExitCode show_layer(const exporting::SafetensorsFile& file, const Options& options) {
  exporting::LayerInspection layer =
      integer::is_integer_file(file) ? integer::inspect_step(file, options.layer, options.bins)
                                     : exporting::inspect_layer(file, options.layer, options.bins);
  const Format format = format_from_name(options.format);
  if (format == Format::json || format == Format::jsonl) {
    layer.row["histogram"] = exporting::to_json(layer.histogram);
    if (format == Format::jsonl) {
      fmt::print("{}\n", layer.row.dump());
    } else {
      fmt::print("{}\n", json{{"schema_version", 1}, {"rows", {layer.row}}}.dump(2));
    }
    return ExitCode::kOk;
  }
  if (format != Format::table) {  // the histogram as a table
    std::vector<json> rows;
    for (std::size_t i = 0; i < layer.histogram.count.size(); ++i) {
      rows.push_back({{"lower", layer.histogram.lower[i]},
                      {"width", layer.histogram.width},
                      {"count", layer.histogram.count[i]}});
    }
    fmt::print("{}", render(make_table(rows, {"lower", "width", "count"}), format, width()));
    return ExitCode::kOk;
  }
  shorten(layer.row);
  for (const auto& [name, value] : layer.row.items()) {
    if (value.is_object()) continue;
    fmt::print("{} = {}\n", name, value.is_string() ? value.get<std::string>() : value.dump());
  }
  fmt::print("\n");
  print_channels(layer.row);
  if (layer.row.contains("output")) {
    fmt::print("\noutput\n");
    print_channels(layer.row.at("output"));
  }
  if (!layer.histogram.count.empty()) {
    fmt::print("\n{:>11} {:>11}\n{}", layer.histogram.of_codes ? "code" : "value", "count",
               exporting::to_text(layer.histogram, width()));
  }
  return ExitCode::kOk;
}

// Every node's tensor for one image, quantized against float.
ExitCode dump(const exporting::SafetensorsFile& file, const Options& options) {
  if (integer::is_integer_file(file)) {
    throw ConfigError(fmt::format(
        "{}: --dump is of 'export --format safetensors'; of whole numbers, 'bitsweep verify' gives "
        "the differences tensor by tensor",
        options.file));
  }
  const exporting::QuantizedNetwork network = exporting::read_quantized(file);
  const KnownTrial known = find_known_trial(network.key, options.database);
  const run::Task task = known_task(known, options.database, options.weights);
  json question = {{"question", "distances"},
                   {"file", fs::absolute(options.file).string()},
                   {"settings", task.settings},
                   {"paths", task.paths},
                   {"image", options.image},
                   {"device", "cpu"},
                   {"threads", network.recorded.fingerprint.value("threads", 1)}};
  if (network.is_trained()) {
    question["trained_weights"] = trained_weights(known, options.database);
  }
  const json answer = run::ask_worker(worker_program(), question);
  const Format format = format_from_name(options.format);
  const std::vector<json> rows = answer.at("outputs");
  if (format == Format::table) {
    fmt::print("{}: image {} (label {}), against the float network\n\n", options.file,
               options.image, answer.at("label").get<std::int64_t>());
  }
  fmt::print(
      "{}",
      render(make_table(rows, {"name", "op", "elements", "mse", "sqnr_db", "max_abs", "cosine"}),
             format, width()));
  return ExitCode::kOk;
}

ExitCode run(const Options& options) {
  const auto file = exporting::SafetensorsFile::read(options.file);
  if (options.dump) return dump(file, options);
  return options.layer.empty() ? show_all(file, options) : show_layer(file, options);
}

}  // namespace

void register_inspect(Registry<Command>& registry) {
  registry.add(
      {"inspect", "Look inside an exported file, a checkpoint or a weight file", [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         app.add_option("file", options->file, "A safetensors file")->required();
         app.add_option("--layer", options->layer,
                        "One layer or tensor: its channels, scales and histogram");
         app.add_option("--format", options->format, join(format_names(), ", "))
             ->capture_default_str();
         app.add_option("--bins", options->bins, "Bins of the histogram")
             ->check(CLI::Range(1, 4096))
             ->capture_default_str();
         app.add_flag("--dump", options->dump,
                      "Every node's tensor for one image against the float network: distances");
         app.add_option("--image", options->image, "Test image of --dump")
             ->check(CLI::NonNegativeNumber)
             ->capture_default_str();
         app.add_option("--db", options->database, "Database that knows the trial of --dump")
             ->capture_default_str();
         app.add_option("--weights", options->weights,
                        "Weights of --dump, where not found by their SHA-256");
         app.footer(
             "Examples:\n  bitsweep inspect resnet20-4bit.safetensors\n"
             "  bitsweep inspect resnet20-4bit.safetensors --layer layer1.0.conv1\n"
             "  bitsweep inspect resnet20-4bit.safetensors --dump --image 3 --format csv\n"
             "  bitsweep inspect results/runs/3f9a…/1/weights.safetensors --format json");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
