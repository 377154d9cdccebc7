// Comparing an answer with what a case expects, by the rules of README.md ("tolerance").
#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

#include "core/error.h"
#include "golden.h"

namespace bitsweep::golden {
namespace {

using Strings = std::vector<std::string>;

bool same(double got, double want) { return got == want || (std::isnan(got) && std::isnan(want)); }

// A number of a rule; 0 where an optional one is absent.
double allowed(const Json& rule, const char* key) { return rule.value(key, 0.0); }

double required(const Json& rule, const char* key) {
  if (!rule.contains(key))
    throw DataError(fmt::format("a tolerance has no {}: {}", key, rule.dump()));
  return rule.at(key).get<double>();
}

bool close(double got, double want, double absolute, double relative) {
  return same(got, want) || std::abs(got - want) <= absolute + relative * std::abs(want);
}

// What a rule sees beyond the two arrays.
struct Context {
  const Case& golden;
  const Json* expect_siblings;  // the object that the field stands in, or nullptr
  const Json* answer_siblings;
  std::string name;
};

using Complaint = std::optional<std::string>;
using Check = Complaint (*)(const Array& got, const Array& want, const Json& rule,
                            const Context& context);

// Every element must satisfy ok(i); names how many do not, and the first.
template <class Ok>
Complaint each(const Array& got, const Array& want, Ok ok) {
  std::size_t bad = 0, first = 0;
  for (std::size_t i = 0; i < want.data.size(); ++i)
    if (!ok(i) && bad++ == 0) first = i;
  if (bad == 0) return {};
  return fmt::format("{} of {} differ, the first at {}: {} instead of {}", bad, want.data.size(),
                     first, got.data[first], want.data[first]);
}

Complaint check_exact(const Array& got, const Array& want, const Json&, const Context&) {
  return each(got, want, [&](std::size_t i) { return same(got.data[i], want.data[i]); });
}

Complaint check_close(const Array& got, const Array& want, const Json& rule, const Context&) {
  const double absolute = allowed(rule, "abs"), relative = allowed(rule, "rel");
  return each(got, want,
              [&](std::size_t i) { return close(got.data[i], want.data[i], absolute, relative); });
}

// Exact, except where the answer says that the number behind the code lay next to a boundary.
Complaint check_exact_off_boundary(const Array& got, const Array& want, const Json& rule,
                                   const Context& context) {
  const std::string key = context.name + "_boundary_distance";
  std::vector<double> distance(want.data.size(), HUGE_VAL);
  if (context.answer_siblings != nullptr && context.answer_siblings->contains(key)) {
    distance = read_array(context.answer_siblings->at(key), context.golden.folder).data;
    if (distance.size() != want.data.size())
      throw DataError(
          fmt::format("{} has {} elements instead of {}", key, distance.size(), want.data.size()));
  }
  const double margin = required(rule, "margin");
  return each(got, want, [&](std::size_t i) {
    return same(got.data[i], want.data[i]) || std::abs(distance[i]) <= margin;
  });
}

Complaint check_bits(const Array& got, const Array& want, const Json& rule, const Context&) {
  int differing = 0;
  for (std::size_t i = 0; i < want.data.size(); ++i)
    differing += std::popcount(static_cast<std::uint32_t>(got.data[i]) ^
                               static_cast<std::uint32_t>(want.data[i]));
  const double most = required(rule, "max_differing");
  if (differing <= most) return {};
  return fmt::format("{} bits differ, at most {} may", differing, most);
}

Complaint check_mean_abs(const Array& got, const Array& want, const Json& rule, const Context&) {
  double sum = 0.0;
  for (std::size_t i = 0; i < want.data.size(); ++i) sum += std::abs(got.data[i] - want.data[i]);
  const double mean = want.data.empty() ? 0.0 : sum / static_cast<double>(want.data.size());
  if (mean <= required(rule, "max")) return {};
  return fmt::format("mean difference {} exceeds {}", mean, required(rule, "max"));
}

// Shared by fraction_exact and fraction_close: the share of elements that are `near` reaches min,
// and all the rest are at most `most` away.
Complaint check_fraction(const Array& got, const Array& want, double min, double near,
                         double most) {
  std::size_t good = 0;
  double worst = 0.0;
  for (std::size_t i = 0; i < want.data.size(); ++i) {
    if (close(got.data[i], want.data[i], near, 0.0)) {
      ++good;
      continue;
    }
    const double away = std::abs(got.data[i] - want.data[i]);
    worst = std::isnan(away) ? HUGE_VAL : std::max(worst, away);
  }
  const double share =
      want.data.empty() ? 1.0 : static_cast<double>(good) / static_cast<double>(want.data.size());
  if (share < min) return fmt::format("a share of {} agrees, {} must", share, min);
  if (worst > most) return fmt::format("an element is {} away, at most {} is allowed", worst, most);
  return {};
}

Complaint check_fraction_exact(const Array& got, const Array& want, const Json& rule,
                               const Context&) {
  return check_fraction(got, want, required(rule, "min"), 0.0,
                        required(rule, "max_code_difference"));
}

Complaint check_fraction_close(const Array& got, const Array& want, const Json& rule,
                               const Context&) {
  return check_fraction(got, want, required(rule, "min"), required(rule, "abs"), HUGE_VAL);
}

Complaint check_relative_l2(const Array& got, const Array& want, const Json& rule, const Context&) {
  double difference = 0.0, norm = 0.0;
  for (std::size_t i = 0; i < want.data.size(); ++i) {
    difference += (got.data[i] - want.data[i]) * (got.data[i] - want.data[i]);
    norm += want.data[i] * want.data[i];
  }
  const double most = required(rule, "max");
  if (std::sqrt(difference) <= most * std::sqrt(norm)) return {};
  return fmt::format("relative difference {} exceeds {}", std::sqrt(difference / norm), most);
}

// A mean of n random draws against its expectation; n, z and the variance stand in the case.
Complaint check_z(const Array& got, const Array& want, const Json& rule, const Context& context) {
  if (rule.value("bound", "") != "z*sqrt(variance/n)+1e-6")
    throw DataError("an unknown statistical bound: " + rule.dump());
  const Array variance = read_array(context.expect_siblings->at("variance"), context.golden.folder);
  const double z = context.golden.get<double>("z"), n = context.golden.get<double>("n");
  if (variance.data.size() != want.data.size())
    throw DataError("the variance has another size than the mean");
  return each(got, want, [&](std::size_t i) {
    return std::abs(got.data[i] - want.data[i]) <= z * std::sqrt(variance.data[i] / n) + 1e-6;
  });
}

Complaint check_lower_bound(const Array& got, const Array& want, const Json&, const Context&) {
  // Relative 1e-9: the order of a float64 sum.
  return each(got, want, [&](std::size_t i) {
    return got.data[i] >= want.data[i] - 1e-9 * std::abs(want.data[i]);
  });
}

Complaint check_reach(const Array& got, const Array& want, const Json& rule, const Context&) {
  const double absolute = allowed(rule, "abs");
  return each(got, want, [&](std::size_t i) { return got.data[i] >= want.data[i] - absolute; });
}

Complaint check_sum_close(const Array& got, const Array& want, const Json& rule, const Context&) {
  double got_sum = 0.0, want_sum = 0.0;
  for (const double value : got.data) got_sum += value;
  for (const double value : want.data) want_sum += value;
  if (close(got_sum, want_sum, 0.0, required(rule, "rel"))) return {};
  return fmt::format("the sum is {} instead of {}", got_sum, want_sum);
}

struct Rule {
  const char* kind;
  Check check;
};

constexpr Rule kRules[] = {
    {"exact", check_exact},
    {"close", check_close},
    {"exact_off_boundary", check_exact_off_boundary},
    {"bits", check_bits},
    {"mean_abs", check_mean_abs},
    {"fraction_exact", check_fraction_exact},
    {"fraction_close", check_fraction_close},
    {"relative_l2", check_relative_l2},
    {"z", check_z},
    {"lower_bound", check_lower_bound},
    {"reach", check_reach},
    {"sum_close", check_sum_close},
};

const Json kExact = {{"kind", "exact"}};

bool is_rule(const Json& node) { return node.contains("kind") && node.at("kind").is_string(); }

bool is_not_yet(const Json& node) { return node.is_object() && node.contains(kNotYet); }

bool is_array_node(const Json& node) { return node.contains("dtype") && node.contains("shape"); }

// Whether `name` is one of the comma-separated names of a rule's key.
bool names_it(const std::string& key, const std::string& name) {
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find(',', begin), key.size());
    const auto first = key.find_first_not_of(' ', begin);
    if (first < end) {
      const auto last = key.find_last_not_of(' ', end - 1);
      if (key.compare(first, last - first + 1, name) == 0) return true;
    }
    begin = end + 1;
  }
  return false;
}

class Comparison {
 public:
  Comparison(const Case& golden, Strings& out) : golden_(golden), out_(out) {
    scopes_.push_back(&golden.tolerance);
  }

  // `rule` is the one in force for the whole field, or nullptr.
  void object(const Json& want, const Json& got, const std::string& path, const Json* rule) {
    for (const auto& [name, want_field] : want.items()) {
      const std::string field = path.empty() ? name : path + "." + name;
      const Json* found = lookup(name, rule);
      const bool scope = found != nullptr && !is_rule(*found);
      if (!scope && found != nullptr && found->at("kind") == "information only") continue;
      if (!got.is_object() || !got.contains(name)) {
        out_.push_back(field + " is not answered");
        continue;
      }
      if (is_not_yet(got.at(name))) continue;
      if (scope) scopes_.push_back(found);
      value(want_field, got.at(name), field, scope ? nullptr : found, {golden_, &want, &got, name});
      if (scope) scopes_.pop_back();
    }
  }

 private:
  void value(const Json& want, const Json& got, const std::string& path, const Json* rule,
             const Context& context) {
    if (want.is_object() && !is_array_node(want)) return object(want, got, path, rule);
    const bool records =
        want.is_array() &&
        std::any_of(want.begin(), want.end(), [](const Json& e) { return e.is_structured(); });
    if (records) {
      if (!got.is_array() || got.size() != want.size()) {
        out_.push_back(fmt::format("{} does not have {} entries", path, want.size()));
        return;
      }
      for (std::size_t i = 0; i < want.size(); ++i)
        value(want[i], got[i], fmt::format("{}[{}]", path, i), rule, context);
      return;
    }
    leaf(want, got, path, rule == nullptr ? kExact : *rule, context);
  }

  void leaf(const Json& want, const Json& got, const std::string& path, const Json& rule,
            const Context& context) {
    static const Strings kNumbers{"nan", "inf", "-inf"};
    const bool text =
        (want.is_string() && !std::count(kNumbers.begin(), kNumbers.end(), want)) || want.is_null();
    if (text) {
      if (got != want)
        out_.push_back(fmt::format("{} is {} instead of {}", path, got.dump(), want.dump()));
      return;
    }
    const Array want_array = read_array(want, golden_.folder);
    const Array got_array = read_array(got, golden_.folder);
    // A plain number and an array of one element say the same.
    const bool single = want_array.data.size() == 1 && got_array.data.size() == 1;
    if (!single && got_array.shape != want_array.shape) {
      out_.push_back(fmt::format("{} has shape [{}] instead of [{}]", path,
                                 fmt::join(got_array.shape, ", "),
                                 fmt::join(want_array.shape, ", ")));
      return;
    }
    const std::string kind = rule.at("kind");
    const auto* found = std::find_if(std::begin(kRules), std::end(kRules),
                                     [&](const Rule& r) { return kind == r.kind; });
    if (found == std::end(kRules)) throw DataError("unknown tolerance kind '" + kind + "'");
    if (const Complaint complaint = found->check(got_array, want_array, rule, context))
      out_.push_back(fmt::format("{} ({}): {}", path, kind, *complaint));
  }

  // The rule or scope of a field, innermost scope first; `inherited` is what its parent has.
  const Json* lookup(const std::string& name, const Json* inherited) const {
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
      for (const auto& [key, rule] : (*scope)->items())
        if (key != "*" && names_it(key, name)) return &rule;
    if (inherited != nullptr) return inherited;
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope)
      if ((*scope)->contains("*")) return &(*scope)->at("*");
    const Json* longest = nullptr;
    std::size_t length = 0;
    for (const auto& [key, rule] : scopes_.back()->items())
      if (key.size() > length && name.starts_with(key + "_")) {
        longest = &rule;
        length = key.size();
      }
    return longest;
  }

  const Case& golden_;
  Strings& out_;
  std::vector<const Json*> scopes_;
};

}  // namespace

Json not_yet(const std::string& brought_by) { return {{kNotYet, brought_by}}; }

std::vector<std::string> differences(const Case& golden, const Json& answer) {
  Strings out;
  Comparison(golden, out).object(golden.expect, answer, "", nullptr);
  return out;
}

}  // namespace bitsweep::golden
