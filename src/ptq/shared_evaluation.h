// Batches of images through several prepared configurations at once: what they have in common is
// computed once. The logits are, bit for bit, those of each configuration alone.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "ptq/merged_networks.h"
#include "ptq/prepare.h"
#include "ptq/schedule.h"

namespace bitsweep::ptq {

// What sharing saves, for one batch. Nodes that only pass on their input do not count.
struct SharedCounts {
  std::int64_t members = 0;
  std::int64_t nodes_alone = 0;     // node evaluations, one configuration at a time
  std::int64_t distinct_nodes = 0;  // the bound: each distinct node once
  std::int64_t evaluations = 0;     // as scheduled; more than the bound where memory is short
  std::int64_t peak_bytes = 0;      // outputs held at a time, of the largest batch
};

class SharedEvaluation {
 public:
  // `members` outlive this object. At most about `most_bytes` of outputs are held for later use,
  // for batches of up to `batch_size` images.
  SharedEvaluation(std::vector<const Prepared*> members, at::Device device, std::int64_t batch_size,
                   std::int64_t most_bytes);

  // logits: [batch, classes] in host memory. May throw Diverged, which ends that member alone.
  using OnLogits = std::function<void(std::size_t member, const at::Tensor& logits)>;

  // images: [batch, channels, height, width] float32 contiguous on the device; positions: [batch],
  // those of the images among all that are evaluated (Quantizer::apply). A member that diverges is
  // left out from then on.
  void run(const at::Tensor& images, std::span<const std::int64_t> positions,
           const OnLogits& on_logits);

  bool is_running(std::size_t member) const { return failures_[member] == nullptr; }
  // Of a member that is no longer running.
  std::exception_ptr failure(std::size_t member) const { return failures_[member]; }

  // One per site, those of dynamic outputs from the first batch.
  std::vector<Quantizer> quantizers(std::size_t member) const;
  // Computing time so far: what several members share counts in equal parts.
  double seconds(std::size_t member) const;
  SharedCounts counts() const { return counts_; }

 private:
  struct State {  // of a merged node
    at::Tensor value;
    std::exception_ptr failure;
    std::optional<Quantizer> first;  // where dynamic
    double seconds = 0;
    int members = 0;
  };

  void schedule();
  void compute(const Step& step);
  at::Tensor output_of(std::size_t node, std::span<at::Tensor> inputs);
  void quantize(std::size_t node, at::Tensor& value);

  std::vector<const Prepared*> members_;
  std::int64_t batch_size_;
  std::int64_t most_bytes_;
  MergedNetworks merged_;
  std::vector<State> states_;                 // by merged node
  std::vector<std::exception_ptr> failures_;  // by member
  Schedule schedule_;
  std::vector<std::size_t> scheduled_;  // Step::members → member
  std::span<const std::int64_t> fed_;   // positions of the batch that runs
  SharedCounts counts_;
};

}  // namespace bitsweep::ptq
