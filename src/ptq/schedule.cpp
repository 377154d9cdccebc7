#include "ptq/schedule.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "core/check.h"

namespace bitsweep::ptq {
namespace {

constexpr int kNever = std::numeric_limits<int>::max();

// Orders order[begin, end), whose members agree in their first `depth` values.
void order_depth_first(std::span<const std::vector<int>> members, std::span<int> order,
                       std::size_t depth) {
  const auto value_at = [&](int m) {
    const std::vector<int>& values = members[static_cast<std::size_t>(m)];
    return depth < values.size() ? values[depth] : -1;
  };
  while (order.size() > 1) {
    const int first = value_at(order.front());
    const bool all = std::ranges::all_of(order, [&](int m) { return value_at(m) == first; });
    if (!all) break;
    if (first < 0) return;  // equal to the end
    ++depth;
  }
  if (order.size() < 2) return;
  // Branches in the order of their first members, then small ones first.
  std::vector<std::vector<int>> branches;
  std::vector<int> values;
  for (const int m : order) {
    const auto found = std::ranges::find(values, value_at(m));
    const auto place = static_cast<std::size_t>(found - values.begin());
    if (found == values.end()) {
      values.push_back(value_at(m));
      branches.emplace_back();
    }
    branches[place].push_back(m);
  }
  std::ranges::stable_sort(branches, {}, &std::vector<int>::size);
  auto out = order.begin();
  for (const std::vector<int>& branch : branches) {
    const auto begin = out;
    out = std::ranges::copy(branch, out).out;
    order_depth_first(members, {begin, out}, depth + 1);
  }
}

class Scheduler {
 public:
  Scheduler(std::span<const ValueSpec> values, std::span<const std::vector<int>> members,
            std::int64_t most_bytes)
      : values_(values), members_(members), most_bytes_(most_bytes) {
    users_.resize(values.size());
    turns_.resize(values.size());
    kept_.resize(values.size(), false);
    todo_.resize(values.size(), false);
    wanted_.resize(values.size(), false);
    order_.resize(members.size());
    std::iota(order_.begin(), order_.end(), 0);
    order_depth_first(members, order_, 0);
    for (std::size_t turn = 0; turn < order_.size(); ++turn) {
      for (const int v : members[static_cast<std::size_t>(order_[turn])]) {
        if (!todo_[at(v)]) add_users(v);
        todo_[at(v)] = true;
        if (turns_[at(v)].empty() || turns_[at(v)].back() != static_cast<int>(turn)) {
          turns_[at(v)].push_back(static_cast<int>(turn));
        }
      }
    }
  }

  Schedule run() {
    std::vector<bool> finished(members_.size(), false);
    for (turn_ = 0; turn_ < static_cast<int>(order_.size()); ++turn_) {
      const int member = order_[static_cast<std::size_t>(turn_)];
      if (finished[at(member)]) continue;
      const std::vector<int> wanted = missing(result_of(member));
      for (const int v : wanted) wanted_[at(v)] = true;
      for (const int v : wanted) {
        Step step{v, make_room(v), {}, {}};
        compute(v);
        for (std::size_t m = 0; m < members_.size(); ++m) {
          if (result_of(static_cast<int>(m)) != v || finished[m]) continue;
          finished[m] = true;
          step.members.push_back(static_cast<int>(m));
        }
        step.drop_after = drop_unneeded(v);
        out_.steps.push_back(std::move(step));
      }
    }
    return std::move(out_);
  }

 private:
  static std::size_t at(int i) { return static_cast<std::size_t>(i); }

  int result_of(int member) const { return members_[at(member)].back(); }

  void add_users(int v) {
    for (const int input : values_[at(v)].inputs) {
      BITSWEEP_CHECK(input < v, "value {} reads value {}", v, input);
      if (users_[at(input)].empty() || users_[at(input)].back() != v) {
        users_[at(input)].push_back(v);
      }
    }
  }

  // What must be computed for `result`, in order.
  std::vector<int> missing(int result) const {
    std::vector<int> out = {result};
    for (std::size_t i = 0; i < out.size(); ++i) {
      for (const int input : values_[at(out[i])].inputs) {
        if (!kept_[at(input)] && std::ranges::find(out, input) == out.end()) out.push_back(input);
      }
    }
    std::ranges::sort(out);
    return out;
  }

  // The turn at which a kept value is read next: this one, a later one, or kNever.
  int next_turn(int v) const {
    int next = kNever;
    for (const int user : users_[at(v)]) {
      if (!todo_[at(user)]) continue;
      if (wanted_[at(user)]) return turn_;
      const auto& turns = turns_[at(user)];
      const auto turn = std::ranges::upper_bound(turns, turn_);
      if (turn != turns.end()) next = std::min(next, *turn);
    }
    return next;
  }

  std::vector<int> make_room(int v) {
    std::vector<int> dropped;
    while (held_ + values_[at(v)].bytes > most_bytes_) {
      int latest = -1;
      int turn = turn_;  // what this turn reads stays
      for (const int candidate : held_values_) {
        const bool is_input =
            std::ranges::find(values_[at(v)].inputs, candidate) != values_[at(v)].inputs.end();
        if (is_input || next_turn(candidate) <= turn) continue;
        latest = candidate;
        turn = next_turn(candidate);
      }
      if (latest < 0) break;
      drop(latest);
      mark_todo(latest);
      dropped.push_back(latest);
    }
    return dropped;
  }

  // It will be computed again, and so will be whatever is gone of what it reads.
  void mark_todo(int v) {
    todo_[at(v)] = true;
    for (const int input : values_[at(v)].inputs) {
      if (!kept_[at(input)] && !todo_[at(input)]) mark_todo(input);
    }
  }

  void compute(int v) {
    for (const int input : values_[at(v)].inputs) {
      BITSWEEP_CHECK(kept_[at(input)], "value {} is gone before value {}", input, v);
    }
    todo_[at(v)] = false;
    wanted_[at(v)] = false;
    kept_[at(v)] = true;
    held_values_.push_back(v);
    held_ += values_[at(v)].bytes;
    out_.peak_bytes = std::max(out_.peak_bytes, held_);
  }

  void drop(int v) {
    kept_[at(v)] = false;
    held_ -= values_[at(v)].bytes;
    std::erase(held_values_, v);
  }

  // After v was computed only its inputs and v itself can have become superfluous.
  std::vector<int> drop_unneeded(int v) {
    std::vector<int> out = values_[at(v)].inputs;
    out.push_back(v);
    std::ranges::sort(out);
    out.erase(std::ranges::unique(out).begin(), out.end());
    std::erase_if(out, [&](int candidate) { return next_turn(candidate) != kNever; });
    for (const int candidate : out) drop(candidate);
    return out;
  }

  std::span<const ValueSpec> values_;
  std::span<const std::vector<int>> members_;
  std::int64_t most_bytes_;
  std::vector<int> order_;               // of members
  std::vector<std::vector<int>> users_;  // of each value
  std::vector<std::vector<int>> turns_;  // in which members' turns a value occurs, ascending
  std::vector<bool> todo_;               // to be computed, now or at a later turn
  std::vector<bool> wanted_;             // to be computed at this turn
  std::vector<bool> kept_;
  std::vector<int> held_values_;
  std::int64_t held_ = 0;
  int turn_ = 0;
  Schedule out_;
};

}  // namespace

Schedule make_schedule(std::span<const ValueSpec> values, std::span<const std::vector<int>> members,
                       std::int64_t most_bytes) {
  return Scheduler(values, members, most_bytes).run();
}

}  // namespace bitsweep::ptq
