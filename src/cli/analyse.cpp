// `bitsweep analyse`: studies around a recipe or of the arithmetic itself, each a report folder.
#include <CLI/CLI.hpp>
#include <memory>

#include "cli/analysis.h"
#include "cli/command.h"

namespace bitsweep::cli {

void register_analyse(Registry<Command>& registry) {
  registry.add(
      {"analyse", "Study a recipe layer by layer, or the arithmetic itself", [](CLI::App& app) {
         auto chosen = std::make_shared<std::function<ExitCode()>>();
         app.require_subcommand(1);
         for (const Analysis& analysis : analyses().entries()) {
           CLI::App* sub = app.add_subcommand(analysis.name, analysis.summary);
           auto action = analysis.attach(*sub);
           sub->callback([chosen, action = std::move(action)] { *chosen = action; });
         }
         app.footer(
             "Each writes a folder with report.md, data.csv and fig/ and prints the path of its\n"
             "report.md. 'bitsweep analyse ANALYSIS --help' tells its options.\n"
             "Examples:\n"
             "  bitsweep analyse sensitivity experiments/cifar10/resnet20_ptq.toml\n"
             "  bitsweep analyse search experiments/cifar10/resnet20_ptq.toml --cost bytes");
         return std::function<ExitCode()>([chosen] { return (*chosen)(); });
       }});
}

}  // namespace bitsweep::cli
