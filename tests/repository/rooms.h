// The rule of docs/architecture.md that a room includes only rooms above it in the table there, and
// that LibTorch is included only by the rooms that the table says. The table itself is the data.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace bitsweep::repository {

struct Room {
  std::string folder;     // "kernels", "src/core"
  int row = 0;            // of the table, lowest first; rooms of one row do not know each other
  bool libtorch = false;  // may include LibTorch
};

struct Include {
  std::string from;    // including file, from the repository's root
  int line = 0;        // 1-based
  std::string target;  // what stands between the quotes or brackets
  bool quoted = false;
};

// The rooms in the order of the table `| room | holds | LibTorch |` of a markdown text. Throws
// Error where there is no such table.
std::vector<Room> read_rooms(const std::string& markdown);

// The room whose folder holds `path` (from the root), or nullptr.
const Room* room_of(const std::vector<Room>& rooms, const std::filesystem::path& path);

// The #include lines of a source text.
std::vector<Include> read_includes(const std::string& from, const std::string& text);

// Why an include of a room's file is not allowed, with file and line; empty where it is allowed.
// `root` is where quoted includes are looked for: beside the file, in the root, in src/.
std::string fault_of(const Include& include, const std::vector<Room>& rooms,
                     const std::filesystem::path& root);

}  // namespace bitsweep::repository
