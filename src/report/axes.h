// What tells the configurations of a sweep apart, and which accuracies they have.
#pragma once

#include <string>
#include <vector>

#include "report/group.h"

namespace bitsweep::report {

// Accuracies that some trial has, the top1 family before the top5 family, else alphabetical;
// not top1_batch_mean.
std::vector<std::string> accuracy_metrics(const std::vector<Group>& groups);

// Axes that take more than one value, in file order.
std::vector<std::string> varying_axes(const std::vector<Group>& groups);

// Those of `axes` that still vary among groups which agree on all of `names`.
std::vector<std::string> undecided_axes(const std::vector<const Group*>& groups,
                                        const std::vector<std::string>& axes,
                                        const std::vector<std::string>& names);

// Whether none of `axes` has a value: a point that [[include]] adds.
bool is_outside_product(const Group& group, const std::vector<std::string>& axes);

// What a group says about several axes or configuration keys.
using Values = std::vector<nlohmann::json>;
Values values_of(const Group& group, const std::vector<std::string>& names);

}  // namespace bitsweep::report
