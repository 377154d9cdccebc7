// How a worker speaks.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>

namespace bitsweep::worker {

// Sends one event to the supervisor (run/protocol.h).
using Send = std::function<void(const nlohmann::json& event)>;

}  // namespace bitsweep::worker
