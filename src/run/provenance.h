// What a later reader needs to know about where numbers came from: revision, machine, command.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace bitsweep::run {

// {"bitsweep_version", "git_revision", "git_patch_sha256"?, "git_patch"?, "command", "cpu", "cores",
//  "memory_bytes", "system"}. Git fields are absent outside a checkout; the patch is what differs
// from the revision, cut at 1 MiB (its SHA-256 is of the whole). No host or user name.
nlohmann::json capture_environment(const std::string& version, const std::vector<std::string>& command);

// Standard output of a program that is found on the PATH, or "" where it cannot be run or fails.
std::string output_of(const std::vector<std::string>& command);

}  // namespace bitsweep::run
