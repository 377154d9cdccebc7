// One analysis of `bitsweep analyse`: a file src/cli/analyses/<word>.cpp that defines
// register_<word>() and the word in `analyses` of src/cli/meson.build. It becomes a subcommand.
#pragma once

#include <functional>
#include <string>

#include "core/error.h"
#include "core/registry.h"

namespace CLI {
class App;
}

namespace bitsweep::cli {

struct Analysis {
  std::string name;
  std::string summary;  // one line, imperative
  // As Command::attach (cli/command.h), on the subcommand.
  std::function<ExitCode()> (*attach)(CLI::App& app) = nullptr;
};

const Registry<Analysis>& analyses();

}  // namespace bitsweep::cli
