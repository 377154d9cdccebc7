// `bitsweep verify`: an exported file against the trial that it came from.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <bit>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.h"
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
  std::string file;
  std::string database = kDefaultDatabase;
  std::string weights;  // "": found by digest
  std::string data_root;
  std::string device = "cpu";
  std::int64_t image = 0;
  bool json = false;
};

// What the file's network gives now, beside what the file and the trial recorded.
struct Verdict {
  json recorded;
  json again;
  bool same_bitmap = false;
  bool same_logits = false;
  // Of the trial in the database; unset where it is not there, or kept no bitmap.
  std::optional<std::int64_t> flips;
  json comparison;  // with the trial made again; null where that was not possible
  std::string not_compared;
  bool same_layers = true;

  bool is_equal() const {
    return same_bitmap && same_logits && flips.value_or(0) == 0 && same_layers;
  }
};

std::vector<std::byte> bytes_of_hex(const std::string& text) {
  std::vector<std::byte> out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<std::byte>(std::stoi(text.substr(i, 2), nullptr, 16)));
  }
  return out;
}

std::int64_t count_flips(const std::vector<std::byte>& a, const std::vector<std::byte>& b) {
  std::int64_t out = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    out += std::popcount(std::to_integer<unsigned>(a[i] ^ b[i]));
  }
  return out;
}

// The question that all of them are, so far.
json question(const char* word, const Options& options,
              const exporting::QuantizedNetwork& network) {
  json out = {{"question", word},
              {"file", fs::absolute(options.file).string()},
              {"device", options.device},
              {"threads", network.recorded.fingerprint.value("threads", 1)},
              {"paths", json::object()}};
  if (!options.data_root.empty()) out["paths"]["data.root"] = options.data_root;
  return out;
}

// The trial in the database; nothing, with the reason, where it is not known.
std::optional<KnownTrial> find_trial(const std::string& key, const Options& options,
                                     std::string& reason) {
  if (!fs::exists(options.database)) {
    reason = fmt::format("there is no database {}", options.database);
    return std::nullopt;
  }
  try {
    return find_known_trial(key, options.database);
  } catch (const ConfigError& error) {
    reason = error.what();
    return std::nullopt;
  }
}

void compare_with_trial(const KnownTrial& known, const exporting::QuantizedNetwork& network,
                        const Options& options, Verdict& out) {
  json ask = question("compare", options, network);
  try {
    const run::Task task = known_task(known, options.database, options.weights);
    ask["settings"] = task.settings;
    ask["paths"].update(task.paths);
    if (network.is_trained()) ask["trained_weights"] = trained_weights(known, options.database);
  } catch (const DataError& error) {
    out.not_compared = error.what();
    return;
  }
  ask["image"] = options.image;
  out.comparison = run::ask_worker(worker_program(), ask);
  for (const char* part : {"weights", "outputs"}) {
    for (const json& row : out.comparison.at(part)) {
      out.same_layers = out.same_layers && row.at("equal").get<bool>();
    }
  }
}

Verdict verify(const exporting::QuantizedNetwork& network, const Options& options) {
  const json answer = run::ask_worker(worker_program(), question("verify", options, network));
  Verdict out;
  out.recorded = to_json(network.recorded);
  out.again = answer.at("again");
  out.same_bitmap = out.again.at("bitmap_sha256") == network.recorded.bitmap_sha256;
  out.same_logits = out.again.at("logits_sha256") == network.recorded.logits_sha256;
  const auto known = find_trial(network.key, options, out.not_compared);
  if (!known) return out;
  const auto store = store::Store::open(options.database, store::Access::read);
  const auto bitmap = store.bitmap(network.key);
  if (bitmap && !bitmap->bits.empty()) {
    out.flips = count_flips(bitmap->bits, bytes_of_hex(answer.at("bitmap").get<std::string>()));
  }
  compare_with_trial(*known, network, options, out);
  return out;
}

json to_json(const Verdict& verdict, const exporting::QuantizedNetwork& network,
             const Options& options) {
  json out = {{"schema_version", 1},
              {"file", options.file},
              {"key", network.key},
              {"name", network.name},
              {"data", network.settings.value("data.name", json())},
              {"equal", verdict.is_equal()},
              {"same_bitmap", verdict.same_bitmap},
              {"same_logits", verdict.same_logits},
              {"recorded", verdict.recorded},
              {"again", verdict.again},
              {"flips_to_database", verdict.flips ? json(*verdict.flips) : json()},
              {"image", options.image},
              {"rows", json::array()}};
  if (verdict.comparison.is_null()) {
    out["not_compared"] = verdict.not_compared;
    return out;
  }
  out["label"] = verdict.comparison.at("label");
  for (const char* part : {"weights", "outputs"}) {
    for (json row : verdict.comparison.at(part)) {
      row["of"] = std::string_view(part) == "weights" ? "weight" : "output";
      out["rows"].push_back(std::move(row));
    }
  }
  return out;
}

const char* word(bool same) { return same ? "the same" : "DIFFERENT"; }

void print(const Verdict& verdict, const exporting::QuantizedNetwork& network,
           const Options& options) {
  const auto number = [](const json& of, const char* name) {
    return of.at(name).get<std::int64_t>();
  };
  fmt::print("file      {} ({})\n", options.file, network.graph.name());
  fmt::print("trial     {} {}\n", short_key(network.key), network.name);
  fmt::print("data set  {}, {} test images\n", network.settings.value("data.name", ""),
             format_count(number(verdict.again, "images")));
  fmt::print("accuracy  {} right (top1 {:.4f}); recorded {} ({:.4f})\n",
             number(verdict.again, "correct"), verdict.again.at("top1").get<double>(),
             number(verdict.recorded, "correct"), verdict.recorded.at("top1").get<double>());
  fmt::print("bitmap    {}\n", word(verdict.same_bitmap));
  fmt::print("logits    {}\n", word(verdict.same_logits));
  if (verdict.flips) {
    fmt::print("database  {} images flip against the trial's own bitmap\n", *verdict.flips);
  }
  for (const auto& [field, value] : verdict.again.at("fingerprint").items()) {
    const json before = verdict.recorded.at("fingerprint").value(field, json());
    if (before != value)
      fmt::print("note      {} was {}, is {}\n", field, before.dump(), value.dump());
  }
  if (verdict.comparison.is_null()) {
    fmt::print("layers    not compared: {}\n", verdict.not_compared);
    return;
  }
  fmt::print(
      "layers    {} as the trial made again; largest differences of weights, and of\n"
      "          outputs for image {} (label {})\n\n",
      word(verdict.same_layers), options.image, verdict.comparison.at("label").get<std::int64_t>());
  std::vector<json> rows;
  for (const json& output : verdict.comparison.at("outputs")) {
    json row = {{"node", output.at("name")},
                {"output", output.at("max_abs")},
                {"output_equal", output.at("equal")}};
    for (const json& weight : verdict.comparison.at("weights")) {
      if (weight.at("name") == output.at("name")) row["weight"] = weight.at("max_abs");
    }
    rows.push_back(std::move(row));
  }
  fmt::print("{}", render(make_table(rows, {"node", "weight", "output", "output_equal"}),
                          Format::table, output_width()));
}

// A network in whole numbers: the same as the one made again from the trial, and how far it is from
// the fake-quantized network.
ExitCode verify_integers(const exporting::SafetensorsFile& file, const Options& options) {
  integer::load(file);  // damage is told before anything is looked for
  const json about = integer::about_of(file);
  const std::string key = about.at("key");
  const KnownTrial known = find_known_trial(key, options.database);
  const run::Task task = known_task(known, options.database, options.weights);
  json ask = {{"question", "compare_integers"},
              {"file", fs::absolute(options.file).string()},
              {"settings", task.settings},
              {"paths", task.paths},
              {"trained_weights", trained_weights(known, options.database)},
              {"device", options.device},
              {"threads", known.attempt.fingerprint.value("threads", 1)}};
  if (!options.data_root.empty()) ask["paths"]["data.root"] = options.data_root;
  json answer = run::ask_worker(worker_program(), ask);
  const bool same = answer.at("same_network").get<bool>();
  if (options.json) {
    answer.erase("event");
    answer.update({{"schema_version", 1}, {"file", options.file}, {"key", key}, {"equal", same}});
    fmt::print("{}\n", answer.dump(2));
  } else {
    const auto count = [&](const char* name) { return answer.at(name).get<std::int64_t>(); };
    fmt::print("file      {} (whole numbers)\ntrial     {} {}\n", options.file, short_key(key),
               task.name);
    fmt::print("network   {} as the one made again from the trial\n", word(same));
    fmt::print("accuracy  {} of {} right in whole numbers, {} fake-quantized\n",
               count("integer_correct"), count("images"), count("float_correct"));
    fmt::print("flips     {} predictions; McNemar {} : {}, p = {:.3g}\n", count("flips"),
               count("only_integer"), count("only_float"), answer.at("mcnemar_p").get<double>());
    for (const json& step : answer.at("slow_steps")) {
      fmt::print("slow      {}\n", step.get<std::string>());
    }
    const std::vector<json> rows = answer.at("rows");
    fmt::print("\n{}", render(make_table(rows, {"name", "largest_lsb", "differing", "elements"}),
                            Format::table, output_width()));
  }
  return same ? ExitCode::kOk : ExitCode::kTrialFailed;
}

ExitCode run(const Options& options) {
  const auto file = exporting::SafetensorsFile::read(options.file);
  if (integer::is_integer_file(file)) return verify_integers(file, options);
  const exporting::QuantizedNetwork network = exporting::read_quantized(file);
  const Verdict verdict = verify(network, options);
  if (options.json) {
    fmt::print("{}\n", to_json(verdict, network, options).dump(2));
  } else {
    print(verdict, network, options);
  }
  return verdict.is_equal() ? ExitCode::kOk : ExitCode::kTrialFailed;
}

}  // namespace

void register_verify(Registry<Command>& registry) {
  registry.add(
      {"verify", "Check an exported file against its trial, bit for bit", [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         app.add_option("file", options->file, "What 'bitsweep export' wrote")->required();
         app.add_option("--image", options->image, "Test image for the comparison layer by layer")
             ->check(CLI::NonNegativeNumber)
             ->capture_default_str();
         app.add_option("--db", options->database, "Database that knows the trial")
             ->capture_default_str();
         app.add_option("--weights", options->weights,
                        "Weights that the trial started from, where not found by their SHA-256");
         app.add_option("--data-root", options->data_root, "Folder of the data set");
         app.add_option("--device", options->device, "Device")->capture_default_str();
         app.add_flag("--json", options->json, "JSON");
         app.footer(
             "Runs the network from the file alone on the trial's test images and compares the\n"
             "bitmap of right images and all logits with what was recorded; where the database\n"
             "knows the trial, also with its bitmap, and layer by layer with its network made\n"
             "again. Of whole numbers (--format integer): largest difference of each tensor in\n"
             "LSB to the fake-quantized network, accuracy, flips, McNemar. Exits 0 where "
             "everything is equal, 1 where not, 5 for a damaged file.\n"
             "Examples:\n  bitsweep verify resnet20-4bit.safetensors\n"
             "  bitsweep verify resnet20-4bit.safetensors --image 17 --json");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
