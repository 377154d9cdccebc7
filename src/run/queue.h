// The tasks of a run that have not started: in order, each behind the one whose weights it takes;
// and which of them one evaluation can serve together.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "run/task.h"

namespace bitsweep::run {

class TaskQueue {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  // `tasks` outlives the queue; they are named by their positions.
  explicit TaskQueue(const std::vector<Task>& tasks);

  bool empty() const { return waiting_.empty(); }
  void push_front(std::size_t task);        // to try it again
  void push_front_alone(std::size_t task);  // the same, in a group with nobody
  void push_back(std::size_t task, TimePoint not_before);
  // The task is over, however it ended: those that wait for it may be taken.
  void finish(std::size_t task);
  // Removes and returns the first task whose time has come and whose predecessor, if it is one of
  // ours, is over.
  std::optional<std::size_t> take(TimePoint now);
  // The same with those that one evaluation can serve together with it (Task::evaluation): all of
  // them, at most kMostTogether, or as even a part as lets `workers` of them work at once.
  // Empty where take() finds nothing.
  std::vector<std::size_t> take_group(TimePoint now, std::size_t workers);

  // So many trials are lost at most where a worker dies.
  static constexpr std::size_t kMostTogether = 32;

 private:
  struct Waiting {
    std::size_t task = 0;
    TimePoint not_before{};
  };
  bool is_ready(const Waiting& item, TimePoint now) const;

  const std::vector<Task>& tasks_;
  std::deque<Waiting> waiting_;
  std::unordered_set<std::string> unfinished_;  // keys
  std::unordered_set<std::size_t> alone_;
};

}  // namespace bitsweep::run
