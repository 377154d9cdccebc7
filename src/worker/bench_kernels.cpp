#include "worker/bench_kernels.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/fake_quantize_per_channel_affine_cachemask.h>
#include <ATen/ops/fake_quantize_per_tensor_affine_cachemask.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "core/check.h"
#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/fake_quantize.h"
#include "kernels/min_max.h"
#include "kernels/philox_math.h"
#include "worker/bench_times.h"

namespace bitsweep::worker {
namespace {

using kernels::AffineGrid;
using kernels::ChannelLayout;
using kernels::Slice;

constexpr std::int64_t kChannels = 64;
constexpr std::int64_t kMaskWord = 32;  // elements; slices begin at whole words

// Calls work(slice) on `threads` threads, the caller among them, over all n elements.
void in_slices(std::int64_t n, int threads, const std::function<void(Slice)>& work) {
  const std::int64_t step = (n / threads + kMaskWord) / kMaskWord * kMaskWord;
  std::vector<std::jthread> others;
  for (std::int64_t begin = step; begin < n; begin += step)
    others.emplace_back([&work, begin, step, n] { work({begin, std::min(begin + step, n)}); });
  work({0, std::min(step, n)});
}

struct Contest {
  std::string name, peer, note;
  std::function<void()> ours, theirs;
};

// One pair after the other by a plain timer: what counts is the median of paired ratios, which
// Google Benchmark, measuring one side after the other, cannot give.
nlohmann::json measure(const Contest& contest, const std::function<void()>& copy,
                       const KernelBenchOptions& options) {
  std::vector<double> ours, theirs, copies, ratios, copy_ratios;
  for (int repeat = -1; repeat < options.repeats; ++repeat) {
    const double copy_time = seconds(copy), our_time = seconds(contest.ours),
                 their_time = seconds(contest.theirs);
    if (repeat < 0) continue;  // the first touches every page
    ours.push_back(our_time);
    theirs.push_back(their_time);
    copies.push_back(copy_time);
    ratios.push_back(their_time / our_time);
    copy_ratios.push_back(our_time / copy_time);
  }
  const double per_element = 1e9 / static_cast<double>(options.elements);
  return {
      {"name", contest.name},
      {"peer", contest.peer},
      {"unit", "ns per element"},
      {"ours", median(ours) * per_element},
      {"peer_value", median(theirs) * per_element},
      {"ratio", median(ratios)},
      {"copy_ns_per_element", median(copies) * per_element},
      {"copy_ratio", median(copy_ratios)},
      {"elements", options.elements},
      {"repeats", options.repeats},
      {"threads", options.threads},
      {"instruction_set", kernels::name(kernels::active_instruction_set())},
      {"note", fmt::format("{}; {:.2f}× a plain copy, {}, {} thread{}", contest.note,
                           median(copy_ratios), kernels::name(kernels::active_instruction_set()),
                           options.threads, options.threads == 1 ? "" : "s")}};
}

// Sets LibTorch's threads for one scope.
class LibtorchThreads {
 public:
  explicit LibtorchThreads(int threads) : before_(at::get_num_threads()) {
    at::set_num_threads(threads);
  }
  ~LibtorchThreads() { at::set_num_threads(before_); }
  LibtorchThreads(const LibtorchThreads&) = delete;
  LibtorchThreads& operator=(const LibtorchThreads&) = delete;

 private:
  int before_;
};

void require_same(const at::Tensor& ours, const at::Tensor& theirs, const char* what) {
  if (!at::equal(ours, theirs))
    throw Error(fmt::format("bench: {} does not equal LibTorch's operator", what));
}

}  // namespace

nlohmann::json bench_kernels(const KernelBenchOptions& options) {
  BITSWEEP_CHECK(options.elements > 0 && options.elements % kChannels == 0,
                 "{} elements do not fill {} channels", options.elements, kChannels);
  BITSWEEP_CHECK(options.repeats > 0 && options.threads > 0, "{} repeats, {} threads",
                 options.repeats, options.threads);
  const LibtorchThreads libtorch_threads(options.threads);
  const std::int64_t n = options.elements;
  std::vector<float> x(static_cast<std::size_t>(n)), y(x.size());
  std::vector<std::uint32_t> mask(static_cast<std::size_t>(kernels::mask_words(n)));
  const kernels::RandomStream random{.seed = 1};
  for (std::int64_t i = 0; i < n; ++i) {
    // ±3.6 on a grid of ±3.5: few saturate, as in a trained net.
    const float uniform =
        kernels::uniform01(kernels::random_bits(random, static_cast<std::uint64_t>(i)));
    x[static_cast<std::size_t>(i)] = 7.2f * uniform - 3.6f;
  }

  const ChannelLayout channels{1, kChannels, n / kChannels};
  const AffineGrid grid{7.0f / 255.0f, 128.0f, 0, 255};
  const std::vector<AffineGrid> grids(kChannels, grid);
  const at::Tensor x_tensor = at::from_blob(x.data(), {kChannels, n / kChannels});
  const at::Tensor y_tensor = at::from_blob(y.data(), {kChannels, n / kChannels});
  const at::Tensor scales = at::full({kChannels}, grid.scale);
  const at::Tensor zero_points = at::full({kChannels}, 128, at::kInt);

  const auto ours = [&](const ChannelLayout& layout, kernels::Rounding rounding) {
    in_slices(n, options.threads, [&](Slice slice) {
      kernels::fake_quantize_cpu(x.data(), y.data(), mask.data(), layout, grids.data(), rounding,
                                 slice);
    });
  };
  const auto per_tensor = [&] {
    return std::get<0>(
        at::fake_quantize_per_tensor_affine_cachemask(x_tensor, grid.scale, 128, 0, 255));
  };
  const auto per_channel = [&] {
    return std::get<0>(
        at::fake_quantize_per_channel_affine_cachemask(x_tensor, scales, zero_points, 0, 0, 255));
  };
  const auto copy = [&] {
    in_slices(n, options.threads, [&](Slice slice) {
      std::copy(x.data() + slice.begin, x.data() + slice.end, y.data() + slice.begin);
    });
  };
  const auto extremes = [&] {
    std::vector<kernels::MinMax> parts(static_cast<std::size_t>(options.threads));
    const std::int64_t step = n / options.threads + 1;
    std::vector<std::jthread> others;
    const auto part = [&](std::int64_t i) {
      const std::int64_t begin = std::min(i * step, n), end = std::min(begin + step, n);
      parts[static_cast<std::size_t>(i)] = kernels::min_max_cpu(x.data() + begin, end - begin);
    };
    for (int i = 1; i < options.threads; ++i) others.emplace_back(part, i);
    part(0);
  };

  ours(kernels::whole_tensor(n), kernels::kTorchRounding);
  require_same(y_tensor, per_tensor(), "fake quantization per tensor");
  ours(channels, kernels::kTorchRounding);
  require_same(y_tensor, per_channel(), "fake quantization per channel");

  const std::string tensor_operator = "fake_quantize_per_tensor_affine_cachemask";
  const Contest contests[] = {
      {"fake quantization, CPU, with mask", tensor_operator, "LibTorch's rounding, same bits",
       [&] { ours(kernels::whole_tensor(n), kernels::kTorchRounding); }, per_tensor},
      {"fake quantization, CPU, by the contract", tensor_operator, "divides by the scale",
       [&] { ours(kernels::whole_tensor(n), {}); }, per_tensor},
      {"fake quantization, CPU, document 004 per tensor", tensor_operator, "ties away from zero",
       [&] { ours(kernels::whole_tensor(n), kernels::kDocument004KernelRounding); }, per_tensor},
      {"fake quantization, CPU, per channel", "fake_quantize_per_channel_affine_cachemask",
       "64 channels, LibTorch's rounding, same bits",
       [&] { ours(channels, kernels::kTorchRounding); }, per_channel},
      {"smallest and largest element, CPU", "aminmax", "ours also finds NaN", extremes,
       [&] { at::aminmax(x_tensor); }},
  };
  nlohmann::json rows = nlohmann::json::array();
  for (const Contest& contest : contests) rows.push_back(measure(contest, copy, options));
  return rows;
}

}  // namespace bitsweep::worker
