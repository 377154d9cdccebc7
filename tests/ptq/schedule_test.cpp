#include "ptq/schedule.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <limits>
#include <random>
#include <set>

using namespace bitsweep::ptq;

namespace {

constexpr std::int64_t kNoBound = std::numeric_limits<std::int64_t>::max();

// What holds of every schedule: a value is computed from what is held, and every member gets its
// result once. Returns the most bytes held at a time.
std::int64_t check(const Schedule& schedule, const std::vector<ValueSpec>& values,
                   const std::vector<std::vector<int>>& members) {
  std::set<int> held;
  std::multiset<int> finished;
  std::int64_t bytes = 0, peak = 0;
  const auto bytes_of = [&](int v) { return values[static_cast<std::size_t>(v)].bytes; };
  const auto drop = [&](const std::vector<int>& dropped) {
    for (const int v : dropped) {
      REQUIRE(held.erase(v) == 1);
      bytes -= bytes_of(v);
    }
  };
  for (const Step& step : schedule.steps) {
    drop(step.drop_before);
    for (const int input : values[static_cast<std::size_t>(step.value)].inputs) {
      REQUIRE(held.contains(input));
    }
    REQUIRE(held.insert(step.value).second);
    bytes += bytes_of(step.value);
    peak = std::max(peak, bytes);
    for (const int m : step.members) {
      finished.insert(m);
      REQUIRE(members[static_cast<std::size_t>(m)].back() == step.value);
    }
    drop(step.drop_after);
  }
  CHECK(held.empty());
  CHECK(finished.size() == members.size());
  CHECK(std::set<int>(finished.begin(), finished.end()).size() == members.size());
  CHECK(schedule.peak_bytes == peak);
  return peak;
}

// A chain of `length` values, and one more chain that leaves it before each of its values: the
// sensitivity sweep of a plain network. Every value has one byte.
struct Sweep {
  std::vector<ValueSpec> values;
  std::vector<std::vector<int>> members;
};

Sweep sensitivity(int length) {
  Sweep out;
  const auto add = [&](int input) {
    out.values.push_back({{}, 1});
    if (input >= 0) out.values.back().inputs.push_back(input);
    return static_cast<int>(out.values.size()) - 1;
  };
  std::vector<int> trunk = {add(-1)};
  for (int i = 0; i < length; ++i) trunk.push_back(add(trunk.back()));
  out.members.push_back(trunk);
  for (int leaves = 0; leaves < length; ++leaves) {
    std::vector<int> member(trunk.begin(), trunk.begin() + leaves + 1);
    for (int i = leaves; i < length; ++i) member.push_back(add(member.back()));
    out.members.push_back(member);
  }
  return out;
}

}  // namespace

TEST_CASE("every distinct value is computed once, whatever the networks share") {
  const Sweep sweep = sensitivity(20);
  const Schedule schedule = make_schedule(sweep.values, sweep.members, kNoBound);
  CHECK(schedule.steps.size() == sweep.values.size());
  check(schedule, sweep.values, sweep.members);
}

TEST_CASE("a sensitivity sweep of any depth holds three values at a time") {
  for (const int length : {5, 20, 100}) {
    const Sweep sweep = sensitivity(length);
    CHECK(make_schedule(sweep.values, sweep.members, kNoBound).peak_bytes == 3);
  }
}

TEST_CASE("equal networks are computed once and all get the result") {
  const std::vector<ValueSpec> values = {{{}, 1}, {{0}, 1}};
  const std::vector<std::vector<int>> members = {{0, 1}, {0, 1}, {0, 1}};
  const Schedule schedule = make_schedule(values, members, kNoBound);
  REQUIRE(schedule.steps.size() == 2);
  CHECK(schedule.steps[1].members == std::vector<int>{0, 1, 2});
  check(schedule, values, members);
}

TEST_CASE("a network alone is computed in its own order, however little may be held") {
  // A residual block: 3 = 2 + 0.
  const std::vector<ValueSpec> values = {{{}, 4}, {{0}, 4}, {{1}, 4}, {{2, 0}, 4}};
  const std::vector<std::vector<int>> members = {{0, 1, 2, 3}};
  for (const std::int64_t bound : {std::int64_t{0}, kNoBound}) {
    const Schedule schedule = make_schedule(values, members, bound);
    std::vector<int> order;
    for (const Step& step : schedule.steps) order.push_back(step.value);
    CHECK(order == std::vector<int>{0, 1, 2, 3});
    CHECK(check(schedule, values, members) == 12);
  }
}

TEST_CASE("what does not fit is dropped and computed again, the value needed latest first") {
  // Two networks that differ in their first value and one that shares value 0 with each: 0 is
  // wanted by the last network, while the first fills the memory.
  const std::vector<ValueSpec> values = {{{}, 10},  {{0}, 10}, {{1}, 10},
                                         {{2}, 10}, {{0}, 10}, {{4}, 10}};
  const std::vector<std::vector<int>> members = {{0, 1, 2, 3}, {0, 4, 5}};
  const Schedule roomy = make_schedule(values, members, kNoBound);
  CHECK(roomy.peak_bytes == 30);
  CHECK(roomy.steps.size() == 6);
  const Schedule tight = make_schedule(values, members, 20);
  CHECK(check(tight, values, members) == 20);
  CHECK(tight.steps.size() == 7);  // value 0 twice
}

TEST_CASE("schedules of random networks compute everything from what they hold") {
  std::mt19937 random(7);
  const auto draw = [&](int below) {
    return static_cast<int>(random() % static_cast<unsigned>(below));
  };
  for (int round = 0; round < 300; ++round) {
    std::vector<ValueSpec> values;
    for (int v = 0; v < 30; ++v) {
      ValueSpec spec{{}, 1 + draw(9)};
      for (int k = v == 0 ? 0 : 1 + draw(2); k > 0; --k) spec.inputs.push_back(draw(v));
      values.push_back(spec);
    }
    std::vector<std::vector<int>> members;
    for (int m = 0; m < 8; ++m) {  // everything that a random value needs
      std::set<int> needed = {draw(30)};
      for (auto it = needed.rbegin(); it != needed.rend(); ++it) {
        for (const int i : values[static_cast<std::size_t>(*it)].inputs) needed.insert(i);
      }
      members.emplace_back(needed.begin(), needed.end());
    }
    std::set<int> distinct;
    for (const auto& member : members) distinct.insert(member.begin(), member.end());
    const Schedule roomy = make_schedule(values, members, kNoBound);
    check(roomy, values, members);
    CHECK(roomy.steps.size() == distinct.size());
    for (const std::int64_t bound : {roomy.peak_bytes / 2, std::int64_t{0}}) {
      const Schedule tight = make_schedule(values, members, bound);
      check(tight, values, members);
      CHECK(tight.steps.size() >= distinct.size());
    }
    CHECK(make_schedule(values, members, roomy.peak_bytes).steps.size() == distinct.size());
  }
}
