// One command of `bitsweep`: a file src/cli/<word>.cpp that defines register_<word>() and the word
// in src/cli/meson.build. Help, docs/cli.md and shell completion come from what attach() declares.
#pragma once

#include <functional>
#include <string>

#include "core/error.h"
#include "core/registry.h"

namespace CLI {
class App;
}

namespace bitsweep::cli {

struct Command {
  std::string name;
  std::string summary;  // one line, imperative: "Run what is not done"
  // Declares options and positionals on `app` (a CLI11 subcommand) with app.footer("Examples: …"),
  // and returns what to run after parsing. State lives in the returned closure (a shared_ptr to an
  // options struct). Errors are thrown (core/error.h); main prints them as one sentence.
  std::function<ExitCode()> (*attach)(CLI::App& app) = nullptr;
};

const Registry<Command>& commands();

}  // namespace bitsweep::cli
