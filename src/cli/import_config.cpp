// `bitsweep import-config`: a document's own vocabulary in, a recipe out.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>

#include "cli/command.h"
#include "core/file.h"
#include "core/log.h"
#include "core/text.h"
#include "importing/vocabulary.h"

namespace bitsweep::cli {
namespace {

constexpr std::uintmax_t kLargestInput = 1 << 20;  // bytes

struct Options {
  std::vector<std::string> input;
  std::string from;
  std::string model;
  std::string output;
};

std::string read_stdin() {
  std::string out;
  char buffer[4096];
  while (out.size() <= kLargestInput) {
    const std::size_t n = std::fread(buffer, 1, sizeof buffer, stdin);
    if (n == 0) return out;
    out.append(buffer, n);
  }
  throw ConfigError(fmt::format("standard input is longer than {} bytes", kLargestInput));
}

importing::ImportInput input_of(const Options& options) {
  importing::ImportInput out;
  out.model = options.model;
  std::error_code error;
  const bool is_one = options.input.size() == 1;
  if (is_one && options.input.front() == "-") {
    out.place = "standard input";
    out.text = read_stdin();
  } else if (is_one && std::filesystem::is_regular_file(options.input.front(), error)) {
    out.place = options.input.front();
    out.text = read_text_file(out.place, kLargestInput);
  } else if (is_one && options.input.front().find_first_of(" [") == std::string::npos) {
    throw ConfigError(fmt::format("{}: there is no such file", options.input.front()));
  } else {
    out.place = "command line";
    out.text = join(options.input, " ");
  }
  return out;
}

ExitCode run(const Options& options) {
  const importing::ImportInput input = input_of(options);
  const importing::Vocabulary& vocabulary = importing::vocabulary_for(input, options.from);
  const importing::ImportedTrial trial = vocabulary.translate(input);
  const std::string toml = importing::to_toml(trial);
  for (const std::string& note : trial.notes) spdlog::warn("{}", note);
  if (options.output.empty()) {
    std::fputs(toml.c_str(), stdout);
  } else {
    write_file_atomic(options.output, toml);
    fmt::print("{}\n", options.output);
  }
  return ExitCode::kOk;
}

}  // namespace

void register_import_config(Registry<Command>& registry) {
  registry.add(
      {"import-config", "Translate a document's own configuration into a recipe",
       [](CLI::App& app) {
         auto options = std::make_shared<Options>();
         app.add_option("input", options->input,
                        "A file, - for standard input, or the words themselves behind --")
             ->required();
         std::string known;
         for (const importing::Vocabulary& one : importing::vocabularies().entries()) {
           known += fmt::format("{}{}: {}", known.empty() ? "" : "; ", one.name, one.summary);
         }
         app.add_option("--from", options->from,
                        "Vocabulary, found from the input by default. " + known)
             ->check(CLI::IsMember(importing::vocabularies().names()));
         app.add_option("--model", options->model,
                        "Network, where the input does not say it or says another");
         app.add_option("-o,--output", options->output, "File (default: standard output)");
         app.footer(
             "What has no counterpart is named in comments of the recipe and on stderr. Nothing\n"
             "that is read is executed.\n"
             "Examples:\n"
             "  bitsweep import-config -- -a resnet50 -pcq_w -pcq_a -sh --qtype int4 -qw int4\n"
             "  bitsweep import-config config_train.py --model toynet -o toynet.toml");
         return std::function<ExitCode()>([options] { return run(*options); });
       }});
}

}  // namespace bitsweep::cli
