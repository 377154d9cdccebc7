// In which order the distinct values of several networks are computed, so that each is computed
// once and few are held at a time. Knows nothing of tensors.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bitsweep::ptq {

// A value, named by its position; its inputs have lower positions.
struct ValueSpec {
  std::vector<int> inputs;
  std::int64_t bytes = 0;
};

struct Step {
  int value = -1;
  std::vector<int> drop_before;  // to make room; computed again when their time comes
  std::vector<int> members;      // whose result this value is
  std::vector<int> drop_after;   // what nobody needs any more, this value included where so
};

struct Schedule {
  std::vector<Step> steps;
  std::int64_t peak_bytes = 0;  // the most that is held at a time
};

// members[m]: the values of a network in execution order, the last one its result. Every result
// is computed, depth first: networks that begin alike follow one another, and of the branches
// behind a common beginning the one with the most networks comes last, so that little waits.
// Where more than `most_bytes` would be held, the values that are needed latest are dropped and
// computed again; what one network needs at a time is held in any case.
Schedule make_schedule(std::span<const ValueSpec> values, std::span<const std::vector<int>> members,
                       std::int64_t most_bytes);

}  // namespace bitsweep::ptq
