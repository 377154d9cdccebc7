#include "run/queue.h"

#include <algorithm>

namespace bitsweep::run {

TaskQueue::TaskQueue(const std::vector<Task>& tasks) : tasks_(tasks) {
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    waiting_.push_back({i});
    unfinished_.insert(tasks[i].key);
  }
}

void TaskQueue::push_front(std::size_t task) { waiting_.push_front({task}); }

void TaskQueue::push_back(std::size_t task, TimePoint not_before) {
  waiting_.push_back({task, not_before});
}

void TaskQueue::finish(std::size_t task) { unfinished_.erase(tasks_[task].key); }

std::optional<std::size_t> TaskQueue::take(TimePoint now) {
  const auto it = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& item) {
    return item.not_before <= now && !unfinished_.contains(tasks_[item.task].waits_for);
  });
  if (it == waiting_.end()) return std::nullopt;
  const std::size_t task = it->task;
  waiting_.erase(it);
  return task;
}

}  // namespace bitsweep::run
