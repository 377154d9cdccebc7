#include "core/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

namespace bitsweep {

void init_log(const char* program, spdlog::level::level_enum level) {
  const char* no_color = std::getenv("NO_COLOR");
  const char* term = std::getenv("TERM");
  const bool color = ::isatty(STDERR_FILENO) == 1 && (no_color == nullptr || *no_color == '\0') &&
                     !(term != nullptr && std::string_view(term) == "dumb");
  auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>(
      color ? spdlog::color_mode::always : spdlog::color_mode::never);
  auto logger = std::make_shared<spdlog::logger>("bitsweep", sink);
  logger->set_level(level);
  const std::string prefix = *program == '\0' ? "" : std::string(program) + ": ";
  logger->set_pattern(prefix + "%^%l%$: %v");
  logger->flush_on(spdlog::level::warn);
  spdlog::set_default_logger(logger);
}

}  // namespace bitsweep
