// Help that stays within 80 columns.
#pragma once

namespace CLI {
class App;
}

namespace bitsweep::cli {

// For `app` and every subcommand that is added to it afterwards.
void wrap_help(CLI::App& app);

}  // namespace bitsweep::cli
