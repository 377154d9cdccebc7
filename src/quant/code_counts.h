// How often each integer code of a tensor occurs, and how short a code of variable length could be
// on average (document 004's `-me`; facts B.5).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bitsweep::quant {

class CodeCounts {
 public:
  struct Entry {
    std::int32_t code;
    std::uint64_t count;  // above 0
  };

  void add(std::span<const std::int32_t> codes);

  std::uint64_t total() const { return total_; }
  std::vector<Entry> entries() const;  // ascending codes
  // Shannon's bound, bits a code: Σ −p·log₂ p. 0 where nothing was added.
  double entropy() const;

 private:
  std::int32_t first_ = 0;             // code of counts_[0]
  std::vector<std::uint64_t> counts_;  // over the codes that occurred, gaps included
  std::uint64_t total_ = 0;
};

}  // namespace bitsweep::quant
