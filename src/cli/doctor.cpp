// `bitsweep doctor`: what this machine has, what is missing, and what to do about it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "cli/command.h"
#include "cli/locations.h"
#include "cli/version.h"
#include "core/text.h"
#include "data/dataset.h"
#include "data/source.h"
#include "run/provenance.h"
#include "store/store.h"

namespace bitsweep::cli {
namespace {

enum class Health { ok, note, missing };

struct Finding {
  Health health = Health::ok;
  std::string subject;
  std::string text;
};

struct Options {
  std::string database = kDefaultDatabase;
  bool json = false;
};

const char* word(Health health) {
  switch (health) {
    case Health::ok: return "ok";
    case Health::note: return "note";
    case Health::missing: return "missing";
  }
  return "";
}

void examine_worker(std::vector<Finding>& out) {
  const auto program = worker_program();
  const std::string text = run::output_of({program.string(), "--versions"});
  const auto versions = nlohmann::json::parse(text, nullptr, false);
  if (!versions.is_object()) {
    out.push_back({Health::missing, "worker",
                   fmt::format("{} does not run; build it, or set BITSWEEP_WORKER", program.string())});
    return;
  }
  out.push_back({Health::ok, "worker", program.string()});
  out.push_back({Health::ok, "libtorch", versions.value("libtorch", std::string("?"))});
  out.push_back({Health::ok, "kernels", versions.value("instruction_set", std::string("?"))});
  const std::string device = versions.value("cuda_device", std::string());
  if (device.empty()) {
    out.push_back({Health::note, "cuda",
                   versions.value("cuda_reason", std::string("no CUDA device")) +
                       "; trials run on the CPU"});
  } else {
    out.push_back({Health::ok, "cuda", device});
  }
}

void examine_tools(std::vector<Finding>& out) {
  const std::string gnuplot(trim(run::output_of({"gnuplot", "--version"})));
  if (gnuplot.empty()) {
    out.push_back({Health::missing, "gnuplot", "not found: reports need it (package gnuplot-nox)"});
  } else {
    out.push_back({Health::ok, "gnuplot", gnuplot});
  }
  const std::string git(trim(run::output_of({"git", "--version"})));
  out.push_back({git.empty() ? Health::note : Health::ok, "git",
                 git.empty() ? "not found: results carry no revision" : git});
  const std::string verilog = run::output_of({"iverilog", "-V"});
  out.push_back({verilog.empty() ? Health::note : Health::ok, "iverilog",
                 verilog.empty() ? "not found: 'export --simulate' needs it (package iverilog)"
                                 : verilog.substr(0, verilog.find('\n'))});
}

void examine_data(std::vector<Finding>& out) {
  for (const data::Dataset& set : data::datasets().entries()) {
    std::vector<std::string> missing;
    std::string where;
    for (const data::Split split : {data::Split::train, data::Split::test}) {
      for (const data::RecordFile& file : set.split(split).files) {
        const auto source = data::find_file(set, file, "");
        if (source) {
          where = data::describe(*source);
        } else {
          missing.push_back(file.name);
        }
      }
    }
    if (missing.empty()) {
      out.push_back({Health::ok, set.name, where});
    } else {
      out.push_back({Health::note, set.name,
                     fmt::format("without {}; {}", join(missing, ", "), set.remedy)});
    }
  }
}

void examine_store(const Options& options, std::vector<Finding>& out) {
  try {
    const auto store = store::Store::open_if_exists(options.database);
    if (!store) {
      out.push_back({Health::note, "database", options.database + " does not exist yet"});
      return;
    }
    out.push_back({Health::ok, "database",
                   fmt::format("{}: {} sweeps", options.database, store->sweep_names().size())});
  } catch (const StoreError& error) {
    out.push_back({Health::missing, "database", error.what()});
  }
}

void examine_machine(std::vector<Finding>& out) {
  const auto environment = run::capture_environment(version(), {});
  out.push_back({Health::ok, "bitsweep", version()});
  out.push_back({Health::ok, "processor",
                 fmt::format("{}, {} cores", environment.at("cpu").get<std::string>(),
                             environment.at("cores").get<int>())});
  out.push_back({Health::ok, "memory",
                 format_bytes(environment.at("memory_bytes").get<std::uint64_t>())});
  std::error_code error;
  const auto space = std::filesystem::space(".", error);
  constexpr std::uintmax_t kLow = 1ull << 30;
  if (!error) {
    out.push_back({space.available < kLow ? Health::note : Health::ok, "disk",
                   fmt::format("{} free here", format_bytes(space.available))});
  }
}

ExitCode run(const Options& options) {
  std::vector<Finding> findings;
  examine_machine(findings);
  examine_worker(findings);
  examine_tools(findings);
  examine_data(findings);
  examine_store(options, findings);
  bool healthy = true;
  for (const Finding& finding : findings) healthy = healthy && finding.health != Health::missing;
  if (options.json) {
    nlohmann::json rows = nlohmann::json::array();
    for (const Finding& f : findings) {
      rows.push_back({{"subject", f.subject}, {"health", word(f.health)}, {"text", f.text}});
    }
    fmt::print("{}\n", nlohmann::json{{"schema_version", 1}, {"rows", rows}}.dump(2));
  } else {
    for (const Finding& f : findings) {
      fmt::print("{:<8} {:<14} {}\n", word(f.health), f.subject, f.text);
    }
  }
  return healthy ? ExitCode::kOk : ExitCode::kEnvironment;
}

}  // namespace

void register_doctor(Registry<Command>& registry) {
  registry.add({"doctor", "Examine machine, programs, data and database", [](CLI::App& app) {
                  auto options = std::make_shared<Options>();
                  app.add_option("--db", options->database, "Database")->capture_default_str();
                  app.add_flag("--json", options->json, "JSON");
                  app.footer("Exits 5 where something that every run needs is missing.\n"
                             "Example: bitsweep doctor");
                  return std::function<ExitCode()>([options] { return run(*options); });
                }});
}

}  // namespace bitsweep::cli
