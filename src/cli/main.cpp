// `bitsweep`: what people type. Links no LibTorch and answers in milliseconds.
#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <vector>

#include "cli/command.h"
#include "cli/help.h"
#include "cli/version.h"
#include "core/log.h"
#include "core/text.h"

namespace bitsweep::cli {
namespace {

void print_error(const std::string& message) {
  std::fflush(stdout);
  std::fprintf(stderr, "bitsweep: %s\n", message.c_str());
}

// The deepest command that the arguments reached.
struct Reached {
  const CLI::App* app = nullptr;
  std::string command;  // " db import"
  int depth = 0;
};

Reached reached(const CLI::App& app) {
  Reached out{&app, "", 0};
  while (!out.app->get_subcommands().empty()) {
    out.app = out.app->get_subcommands().front();
    out.command += " " + out.app->get_name();
    ++out.depth;
  }
  return out;
}

std::vector<std::string> subcommands_of(const CLI::App& app) {
  std::vector<std::string> out;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    out.push_back(sub->get_name());
  }
  return out;
}

// "unknown command 'pln'; known: … (did you mean 'plan'?)", or CLI11's own sentence.
std::string usage_message(const CLI::App& app, int argc, char** argv,
                          const CLI::ParseError& error) {
  const Reached at = reached(app);
  const char* next = at.depth + 1 < argc ? argv[at.depth + 1] : "-";
  const std::vector<std::string> subcommands = subcommands_of(*at.app);
  if (!subcommands.empty() && next[0] != '-') {
    const std::string what = at.depth == 0 ? "command" : "subcommand of" + at.command;
    return unknown_name_message(what, next, subcommands);
  }
  std::string message = error.what();
  // An unknown option: name the nearest one of the command at hand.
  const std::string_view expected = "The following argument was not expected: ";
  const std::string_view several = "The following arguments were not expected: ";
  for (const std::string_view head : {expected, several}) {
    if (message.rfind(head, 0) != 0) continue;
    const std::string rest = message.substr(head.size());
    const std::string word = rest.substr(0, rest.find(' '));
    std::vector<std::string> known;
    for (const CLI::Option* option : at.app->get_options()) {
      for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
    }
    message = fmt::format("unexpected argument '{}'", word);
    if (const auto near = nearest_name(word, known)) {
      message += fmt::format(" (did you mean '{}'?)", *near);
    }
  }
  return fmt::format("{}; see 'bitsweep{} --help'", message, at.command);
}

int run(int argc, char** argv) {
  CLI::App app(
      "bitsweep: sweeps of low-bit convolutional networks, measured beside published results");
  app.name("bitsweep");
  wrap_help(app);
  app.require_subcommand(1);
  app.set_help_all_flag("--help-all", "Print the help of every command");
  app.set_version_flag("--version", std::string("bitsweep ") + version());
  app.footer(
      "First steps:\n"
      "  bitsweep plan sweeps/quickstart.toml     what would run, and why\n"
      "  bitsweep run sweeps/quickstart.toml      run what is not done\n"
      "  bitsweep report sweeps/quickstart.toml   tables and plots\n"
      "Exit codes: 0 done, 1 a trial failed, 2 usage or configuration, 3 a claim missed,\n"
      "  4 database, 5 environment or data, 75 preempted, 130/143 interrupted.");
  std::function<ExitCode()> chosen;
  for (const Command& command : commands().entries()) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    auto action = command.attach(*sub);
    sub->callback([&chosen, action = std::move(action)] { chosen = action; });
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {  // --help, --version
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    if (argc <= 1) {
      std::fputs(app.help().c_str(), stderr);
      return static_cast<int>(ExitCode::kConfig);
    }
    print_error(usage_message(app, argc, argv, error));
    return static_cast<int>(ExitCode::kConfig);
  }
  try {
    return static_cast<int>(chosen());
  } catch (const Error& error) {
    print_error(error.what());
    return static_cast<int>(error.exit_code());
  } catch (const std::exception& error) {
    print_error(fmt::format("internal error: {}", error.what()));
    return static_cast<int>(ExitCode::kTrialFailed);
  }
}

}  // namespace
}  // namespace bitsweep::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // `bitsweep ls | head` ends quietly
  bitsweep::init_log("", spdlog::level::info);
  return bitsweep::cli::run(argc, argv);
}
