#include "rooms.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <regex>
#include <sstream>
#include <string_view>

#include "core/error.h"

namespace bitsweep::repository {
namespace {

namespace fs = std::filesystem;

bool starts_with_any(std::string_view text, const auto& heads) {
  return std::any_of(std::begin(heads), std::end(heads),
                     [&](std::string_view head) { return text.starts_with(head); });
}

bool is_libtorch(std::string_view target) {
  static constexpr std::array<std::string_view, 4> kFolders = {"torch/", "ATen/", "c10/",
                                                               "caffe2/"};
  return starts_with_any(target, kFolders);
}

// What kernels/ may include in brackets: C++ and C headers of the standard library, the
// processor's intrinsics, CUDA's run time.
bool is_standard_or_cuda(const std::string& target) {
  static const std::regex kStandard("[a-z_]+|(assert|float|limits|math|stdint|string)\\.h");
  static constexpr std::array<std::string_view, 6> kCuda = {
      "cuda", "curand_kernel", "cub/", "thrust/", "cooperative_groups", "immintrin.h"};
  return std::regex_match(target, kStandard) || starts_with_any(target, kCuda);
}

// A quoted include's file from the root, as the compiler finds it; empty where there is none.
fs::path resolve(const Include& include, const fs::path& root) {
  for (const fs::path& base : {fs::path(include.from).parent_path(), fs::path(), fs::path("src")}) {
    const fs::path candidate = (base / include.target).lexically_normal();
    if (fs::is_regular_file(root / candidate)) return candidate;
  }
  return {};
}

std::string edge_fault(const Room& from, const Include& include, const std::vector<Room>& rooms,
                       const fs::path& root) {
  const fs::path path = resolve(include, root);
  if (path.empty()) return "there is no such file";
  const Room* to = room_of(rooms, path);
  if (to == nullptr) return fmt::format("{} is in no room", path.string());
  if (to->folder == from.folder || to->row < from.row) return "";
  return fmt::format("{} may not use {}, which does not stand above it in docs/architecture.md",
                     from.folder, to->folder);
}

}  // namespace

std::vector<Room> read_rooms(const std::string& markdown) {
  std::vector<Room> rooms;
  std::istringstream lines(markdown);
  std::string line;
  while (std::getline(lines, line) && line != "| room | holds | LibTorch |") continue;
  static const std::regex kFolder("`([a-z_/]+)/`");
  static const std::regex kRow("\\|([^|]*)\\|.*\\| *(yes|no) *\\|");
  for (int row = 0; std::getline(lines, line) && line.starts_with("|"); ++row) {
    std::smatch cells;
    if (!std::regex_match(line, cells, kRow)) continue;  // the rule under the heading
    const std::string names = cells[1];
    for (std::sregex_iterator name(names.begin(), names.end(), kFolder), end; name != end; ++name)
      rooms.push_back({(*name)[1], row, cells[2] == "yes"});
  }
  if (rooms.empty()) throw Error("docs/architecture.md has no table '| room | holds | LibTorch |'");
  return rooms;
}

const Room* room_of(const std::vector<Room>& rooms, const fs::path& path) {
  const auto found = std::find_if(rooms.begin(), rooms.end(), [&](const Room& room) {
    return path.generic_string().starts_with(room.folder + "/");
  });
  return found == rooms.end() ? nullptr : &*found;
}

std::vector<Include> read_includes(const std::string& from, const std::string& text) {
  static const std::regex kInclude("\\s*#\\s*include\\s*([<\"])([^>\"]+)[>\"].*");
  std::vector<Include> includes;
  std::istringstream lines(text);
  std::string line;
  std::smatch parts;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.find("include") == std::string::npos || !std::regex_match(line, parts, kInclude))
      continue;
    includes.push_back({from, number, parts[2], parts[1] == "\""});
  }
  return includes;
}

std::string fault_of(const Include& include, const std::vector<Room>& rooms, const fs::path& root) {
  const Room* from = room_of(rooms, include.from);
  std::string fault;
  if (from == nullptr) {
    fault = "the file is in no room";
  } else if (is_libtorch(include.target)) {
    if (!from->libtorch) fault = fmt::format("{} may not include LibTorch", from->folder);
  } else if (include.quoted) {
    fault = edge_fault(*from, include, rooms, root);
  } else if (from->row == rooms.front().row && !is_standard_or_cuda(include.target)) {
    fault = fmt::format("{} uses nothing but the standard library and CUDA", from->folder);
  }
  if (fault.empty()) return "";
  return fmt::format("{}:{}: includes {}: {}", include.from, include.line, include.target, fault);
}

}  // namespace bitsweep::repository
