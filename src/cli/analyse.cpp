// `bitsweep analyse`: studies around a recipe or of the arithmetic itself, each a report folder.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>

#include "cli/analysis.h"
#include "cli/command.h"

namespace bitsweep::cli {
namespace {

ExitCode list() {
  for (const Analysis& analysis : analyses().entries()) {
    fmt::print("{:<14} {}\n", analysis.name, analysis.summary);
  }
  return ExitCode::kOk;
}

}  // namespace

void register_analyse(Registry<Command>& registry) {
  registry.add(
      {"analyse", "Study a recipe layer by layer, or the arithmetic itself", [](CLI::App& app) {
         auto chosen = std::make_shared<std::function<ExitCode()>>();
         app.require_subcommand(0, 1);
         for (const Analysis& analysis : analyses().entries()) {
           CLI::App* sub = app.add_subcommand(analysis.name, analysis.summary);
           auto action = analysis.attach(*sub);
           sub->callback([chosen, action = std::move(action)] { *chosen = action; });
         }
         app.footer(
             "Each writes a folder with report.md, data.csv and fig/ and prints the path of its\n"
             "report.md or, where it needs no trials, one JSON object that has it.\n"
             "'bitsweep analyse' alone lists the analyses, 'bitsweep analyse ANALYSIS --help' "
             "tells\n"
             "the options of one.\n"
             "Examples:\n"
             "  bitsweep analyse alpha-mse --bits 4\n"
             "  bitsweep analyse sensitivity experiments/cifar10/resnet20_ptq.toml\n"
             "  bitsweep analyse search experiments/cifar10/resnet20_ptq.toml --cost bytes");
         return std::function<ExitCode()>([chosen] { return *chosen ? (*chosen)() : list(); });
       }});
}

}  // namespace bitsweep::cli
