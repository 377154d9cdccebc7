// Two configurations on the same images: McNemar's exact test over their correctness bitmaps.
#pragma once

#include <optional>
#include <vector>

#include "report/group.h"

namespace bitsweep::report {

struct PairedTest {
  McNemar test;
  std::uint64_t seed = 0;  // of the pair of trials compared
};

// Nothing where the images differ or a bitmap is not there.
std::optional<PairedTest> paired_test(const Run& first, const Run& second);

// Of the lowest seed that both groups ran, else of the first trial of each.
std::optional<PairedTest> paired_test(const Group& first, const Group& second);

// The unquantized configurations (quant.scheme = "none"), in plan order.
std::vector<const Group*> baselines_of(const std::vector<Group>& groups);

// Of `baselines`, the first of the same network on the same data; nullptr where there is none or
// `group` is one itself.
const Group* baseline_of(const Group& group, const std::vector<const Group*>& baselines);

}  // namespace bitsweep::report
