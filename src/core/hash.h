// SHA-256 (OpenSSL): identity of trials, weights, data and results. SHA-1 for what others
// published.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace bitsweep {

// Incremental. Feed in any pieces; hex() ends it (64 lower-case hexadecimal digits).
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void update(std::span<const std::byte> bytes);
  void update(std::string_view text);
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view text);
std::string sha256_hex(std::span<const std::byte> bytes);
// 40 hexadecimal digits. For comparing with a published checksum; never for identity.
std::string sha1_hex(std::span<const std::byte> bytes);
// Throws DataError naming the file.
std::string sha256_file(const std::filesystem::path& path);

}  // namespace bitsweep
