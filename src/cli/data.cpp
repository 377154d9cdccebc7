// `bitsweep data`: where data sets lie, whether they are whole, and fetching one.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "core/file.h"
#include "core/text.h"
#include "data/dataset.h"
#include "data/source.h"
#include "run/provenance.h"

namespace bitsweep::cli {
namespace {

namespace fs = std::filesystem;

constexpr data::Split kSplits[] = {data::Split::train, data::Split::test};

struct Options {
  std::string name;
  std::string root;
  std::string from;
  std::string to = "data";
  bool json = false;
};

ExitCode list(const Options& options) {
  nlohmann::json rows = nlohmann::json::array();
  for (const data::Dataset& set : data::datasets().entries()) {
    int found = 0;
    int files = 0;
    std::string where;
    for (const data::Split split : kSplits) {
      for (const data::RecordFile& file : set.split(split).files) {
        ++files;
        const auto source = data::find_file(set, file, options.root);
        if (!source) continue;
        ++found;
        where = source->path.parent_path().string();
      }
    }
    rows.push_back({{"name", set.name}, {"files", files}, {"found", found}, {"where", where},
                    {"summary", set.summary}});
  }
  if (options.json) {
    fmt::print("{}\n", nlohmann::json{{"schema_version", 1}, {"rows", rows}}.dump(2));
    return ExitCode::kOk;
  }
  for (const auto& row : rows) {
    fmt::print("{:<14} {}/{} files  {}\n", row["name"].get<std::string>(), row["found"].get<int>(),
               row["files"].get<int>(), row["where"].get<std::string>());
  }
  return ExitCode::kOk;
}

// Decodes everything; each file's checksum is verified on the way.
ExitCode verify(const Options& options) {
  const data::Dataset& set = data::datasets().get(options.name);
  for (const data::Split split : kSplits) {
    data::Selection selection;
    selection.split = split;
    if (!set.split(split).is_digest_of_content()) {
      // Nothing to compare the images with, and there may be a million: one shows that the split
      // is there, in its full number.
      selection.images = 1;
      static_cast<void>(data::load_images(set, selection, options.root));
      fmt::print("{} {}: {} images listed; they are decoded when a trial reads them\n", set.name,
                 data::to_string(split), format_count(set.split(split).images()));
      continue;
    }
    const data::Images images = data::load_images(set, selection, options.root);
    fmt::print("{} {}: {} images, SHA-256 of the records {}\n", set.name, data::to_string(split),
               format_count(images.count()), set.split(split).digest);
  }
  return ExitCode::kOk;
}

// The archive of the data set in `to`, from a file or an address, kept only if it is the right one.
ExitCode get(const Options& options) {
  const data::Dataset& set = data::datasets().get(options.name);
  if (set.archive.empty()) {
    throw ConfigError(fmt::format("data set '{}' is not fetched; {}", set.name, set.remedy));
  }
  const fs::path folder = fs::path(options.to) / set.name;
  const fs::path target = folder / set.archive;
  const std::string from = options.from.empty() ? set.archive_url : options.from;
  if (!fs::exists(target)) {
    std::error_code error;
    const fs::path partial = folder / ("." + set.archive + ".part") / set.archive;
    fs::create_directories(partial.parent_path(), error);
    if (error) {
      throw EnvironmentError(fmt::format("{}: cannot be made: {}", folder.string(), error.message()));
    }
    fmt::print(stderr, "fetching {}\n", from);
    if (from.find("://") == std::string::npos) {
      fs::copy_file(from, partial, fs::copy_options::overwrite_existing, error);
      if (error) throw DataError(fmt::format("{}: cannot be copied: {}", from, error.message()));
    } else if (run::output_of({"curl", "--fail", "--location", "--silent", "--continue-at", "-",
                               "--write-out", "fetched", "--output", partial.string(), from})
                   .empty()) {
      throw EnvironmentError(fmt::format(
          "{} could not be fetched with curl (not installed, or no network); fetch it yourself and "
          "give it with --from FILE",
          from));
    }
    Options check = options;
    check.root = partial.parent_path().string();
    verify(check);  // throws where it is not what it should be; the partial file stays for a resume
    fs::rename(partial, target, error);
    if (error) throw EnvironmentError(fmt::format("{}: {}", target.string(), error.message()));
    fs::remove_all(partial.parent_path(), error);
  } else {
    Options check = options;
    check.root = folder.string();
    verify(check);
  }
  fmt::print("{}\n", target.string());
  return ExitCode::kOk;
}

std::function<ExitCode()> attach(CLI::App& app) {
  auto options = std::make_shared<Options>();
  auto action = std::make_shared<ExitCode (*)(const Options&)>(list);
  app.require_subcommand(1);
  CLI::App* ls = app.add_subcommand("ls", "Which data sets are registered, and where they lie");
  ls->add_option("--root", options->root, "Look here instead of the search path");
  ls->add_flag("--json", options->json, "JSON");
  ls->callback([action] { *action = list; });
  CLI::App* check = app.add_subcommand("verify", "Decode all of one data set and check every sum");
  check->add_option("name", options->name, "Data set")->required();
  check->add_option("--root", options->root, "Look here instead of the search path");
  check->callback([action] { *action = verify; });
  CLI::App* fetch = app.add_subcommand("get", "Fetch the archive of a data set and check it");
  fetch->add_option("name", options->name, "Data set")->required();
  fetch->add_option("--from", options->from, "File or address instead of the official one");
  fetch->add_option("--to", options->to, "Folder of data sets")->capture_default_str();
  fetch->callback([action] { *action = get; });
  app.footer(
      "Searched: data.root if set, else $BITSWEEP_DATA, data/, ../shared/data, what is carried.\n"
      "Examples:\n  bitsweep data ls\n  bitsweep data verify cifar10\n"
      "  bitsweep data get cifar10 --from cifar-10-binary.tar.gz");
  return [options, action] { return (*action)(*options); };
}

}  // namespace

void register_data(Registry<Command>& registry) {
  registry.add({"data", "Find, verify and fetch data sets", attach});
}

}  // namespace bitsweep::cli
