// Log lines go to stderr (stdout is data). Colour only on a terminal and without NO_COLOR.
#pragma once

#include <spdlog/spdlog.h>

namespace bitsweep {

// Call once in main. `program` stands before each line of a worker; empty for the command itself.
void init_log(const char* program, spdlog::level::level_enum level);

}  // namespace bitsweep
