// Work on every processor of the machine.
#pragma once

#include <functional>

namespace bitsweep {

// Runs `work` on as many threads as there are processors (at most 16), this one among them, and
// waits for all. What one throws is thrown here when all have ended: the first of several.
void on_all_processors(const std::function<void()>& work);

}  // namespace bitsweep
