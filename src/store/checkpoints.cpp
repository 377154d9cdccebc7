#include "store/checkpoints.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <set>
#include <utility>

#include "store/folder.h"

namespace bitsweep::store {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFolder = "checkpoints";

// The step of "<step>.safetensors".
std::optional<std::int64_t> step_of(const fs::path& file) {
  if (file.extension() != ".safetensors") return std::nullopt;
  const std::string stem = file.stem();
  std::int64_t step = 0;
  const auto [stop, error] = std::from_chars(stem.data(), stem.data() + stem.size(), step);
  if (error != std::errc() || stop != stem.data() + stem.size() || step < 0) return std::nullopt;
  return step;
}

}  // namespace

std::vector<Checkpoint> checkpoints_in(const fs::path& attempt_folder) {
  std::vector<Checkpoint> out;
  std::error_code none_there;
  for (const auto& entry : fs::directory_iterator(attempt_folder / kFolder, none_there)) {
    if (const auto step = step_of(entry.path())) out.push_back({entry.path(), *step});
  }
  std::sort(out.begin(), out.end(),
            [](const Checkpoint& a, const Checkpoint& b) { return a.step > b.step; });
  return out;
}

std::vector<Checkpoint> resumable_checkpoints(const fs::path& runs, const std::string& key) {
  std::vector<Checkpoint> out;
  auto folders = attempt_folders_of(runs, key);
  std::reverse(folders.begin(), folders.end());  // the later attempt first, which the sort keeps
  for (const fs::path& folder : folders) {
    if (has_result(folder)) continue;
    for (Checkpoint& checkpoint : checkpoints_in(folder)) out.push_back(std::move(checkpoint));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const Checkpoint& a, const Checkpoint& b) { return a.step > b.step; });
  return out;
}

std::vector<Checkpoint> prune_checkpoints(const fs::path& attempt_folder,
                                          const Retention& retention,
                                          const std::map<std::int64_t, double>& scores) {
  const std::vector<Checkpoint> all = checkpoints_in(attempt_folder);
  std::set<std::int64_t> keep;
  for (const Checkpoint& checkpoint : all) {
    if (static_cast<std::int64_t>(keep.size()) == retention.last) break;
    keep.insert(checkpoint.step);
  }
  std::vector<std::pair<double, std::int64_t>> ranked;  // −score, step
  for (const Checkpoint& checkpoint : all) {
    const auto score = scores.find(checkpoint.step);
    if (score != scores.end()) ranked.emplace_back(-score->second, checkpoint.step);
  }
  std::sort(ranked.begin(), ranked.end());
  if (static_cast<std::int64_t>(ranked.size()) > retention.best) {
    ranked.resize(static_cast<std::size_t>(retention.best));
  }
  for (const auto& [score, step] : ranked) keep.insert(step);
  std::vector<Checkpoint> left;
  for (const Checkpoint& checkpoint : all) {
    if (keep.contains(checkpoint.step)) {
      left.push_back(checkpoint);
    } else {
      fs::remove(checkpoint.path);
    }
  }
  return left;
}

void remove_other_checkpoints(const fs::path& runs, const std::string& key, std::int64_t number) {
  for (const fs::path& folder : attempt_folders_of(runs, key)) {
    if (folder.filename() == std::to_string(number)) continue;
    std::error_code none_there;
    fs::remove_all(folder / kFolder, none_there);
  }
}

}  // namespace bitsweep::store
