#include "report/paired.h"

#include <algorithm>
#include <array>

namespace bitsweep::report {
namespace {

const store::Bitmap* bitmap_of(const Run& run) {
  if (run.shown() == nullptr) return nullptr;
  for (const store::Bitmap& bitmap : run.shown()->bitmaps) {
    if (bitmap.evaluation == "top1" && !bitmap.bits.empty()) return &bitmap;
  }
  return nullptr;
}

bool agree(const Run& a, const Run& b, const std::string& key) {
  return a.trial.config.value(key, nlohmann::json()) == b.trial.config.value(key, nlohmann::json());
}

bool same_images(const Run& a, const Run& b) {
  constexpr std::array keys{"data.name", "data.test_images", "data.subset"};
  return std::all_of(keys.begin(), keys.end(), [&](const char* key) { return agree(a, b, key); });
}

}  // namespace

std::optional<PairedTest> paired_test(const Run& a, const Run& b) {
  const store::Bitmap* first = bitmap_of(a);
  const store::Bitmap* second = bitmap_of(b);
  if (first == nullptr || second == nullptr || first->images != second->images ||
      !same_images(a, b)) {
    return std::nullopt;
  }
  return PairedTest{mcnemar(first->bits, second->bits, first->images), a.trial.seed};
}

std::optional<PairedTest> paired_test(const Group& first, const Group& second) {
  const auto ours = first.successful();
  const auto theirs = second.successful();
  if (ours.empty() || theirs.empty()) return std::nullopt;
  const Run* a = nullptr;
  const Run* b = nullptr;
  for (const Run* run : ours) {
    for (const Run* other : theirs) {
      if (run->trial.seed != other->trial.seed) continue;
      if (a == nullptr || run->trial.seed < a->trial.seed) {
        a = run;
        b = other;
      }
    }
  }
  return a != nullptr ? paired_test(*a, *b) : paired_test(*ours.front(), *theirs.front());
}

std::vector<const Group*> baselines_of(const std::vector<Group>& groups) {
  std::vector<const Group*> out;
  for (const Group& group : groups) {
    if (group.value_of("quant.scheme") == "none") out.push_back(&group);
  }
  return out;
}

const Group* baseline_of(const Group& group, const std::vector<const Group*>& baselines) {
  if (std::find(baselines.begin(), baselines.end(), &group) != baselines.end()) return nullptr;
  const Run& run = *group.runs.front();
  for (const Group* candidate : baselines) {
    const Run& other = *candidate->runs.front();
    const auto matches = [&](const auto& item) {
      const std::string& key = item.key();
      const bool is_task = key.rfind("model.", 0) == 0 ||
                           (key.rfind("data.", 0) == 0 && key != "data.root");  // a place, not data
      return !is_task || agree(run, other, key);
    };
    const auto items = run.trial.config.items();
    if (std::all_of(items.begin(), items.end(), matches)) return candidate;
  }
  return nullptr;
}

}  // namespace bitsweep::report
