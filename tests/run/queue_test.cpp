#include "run/queue.h"

#include <catch2/catch_test_macros.hpp>
#include <chrono>

using namespace bitsweep::run;

namespace {

Task task(const char* key, const char* waits_for = "") {
  Task out;
  out.key = key;
  out.waits_for = waits_for;
  return out;
}

}  // namespace

TEST_CASE("tasks are taken in order, each after the one whose weights it takes", "[run]") {
  const std::vector<Task> tasks = {task("b", "a"), task("c"), task("a"), task("d", "elsewhere")};
  TaskQueue queue(tasks);
  const auto now = std::chrono::steady_clock::now();
  CHECK(queue.take(now) == 1);
  CHECK(queue.take(now) == 2);
  CHECK(queue.take(now) == 3);  // what is no task of ours is not waited for
  CHECK_FALSE(queue.take(now).has_value());
  CHECK_FALSE(queue.empty());
  queue.finish(2);
  CHECK(queue.take(now) == 0);
  CHECK(queue.empty());
}

TEST_CASE("a task put back waits for its time, one put in front is next", "[run]") {
  const std::vector<Task> tasks = {task("a"), task("b")};
  TaskQueue queue(tasks);
  const auto now = std::chrono::steady_clock::now();
  REQUIRE(queue.take(now) == 0);
  queue.push_back(0, now + std::chrono::seconds(1));
  REQUIRE(queue.take(now) == 1);
  queue.push_front(1);
  CHECK(queue.take(now) == 1);
  CHECK_FALSE(queue.take(now).has_value());
  CHECK(queue.take(now + std::chrono::seconds(2)) == 0);
}
