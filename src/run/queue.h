// The tasks of a run that have not started: in order, each behind the one whose weights it takes.
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
  void push_front(std::size_t task);  // to try it again
  void push_back(std::size_t task, TimePoint not_before);
  // The task is over, however it ended: those that wait for it may be taken.
  void finish(std::size_t task);
  // Removes and returns the first task whose time has come and whose predecessor, if it is one of
  // ours, is over.
  std::optional<std::size_t> take(TimePoint now);

 private:
  struct Waiting {
    std::size_t task = 0;
    TimePoint not_before{};
  };

  const std::vector<Task>& tasks_;
  std::deque<Waiting> waiting_;
  std::unordered_set<std::string> unfinished_;  // keys
};

}  // namespace bitsweep::run
