// BITSWEEP_CHECK: refuses to go on after a programmer's mistake, in release builds too.
#pragma once

#include <fmt/format.h>

#include "core/error.h"

// Throws InternalError when `condition` is false. The rest is an fmt format string and its arguments.
#define BITSWEEP_CHECK(condition, ...)                                                \
  do {                                                                                \
    if (!(condition)) [[unlikely]]                                                    \
      throw ::bitsweep::InternalError(fmt::format("{}:{}: {}: {}", __FILE__, __LINE__, \
                                                  #condition, fmt::format(__VA_ARGS__))); \
  } while (false)
