#include "cli/devices.h"

#include <algorithm>
#include <charconv>
#include <thread>

#include "core/error.h"
#include "kernels/device.h"

namespace bitsweep::cli {
namespace {

std::vector<run::Slot> repeat(const run::Slot& slot, int count) {
  return std::vector<run::Slot>(static_cast<std::size_t>(std::max(1, count)), slot);
}

std::vector<run::Slot> cpu_slots(int jobs, int threads) {
  const int cores = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return repeat({"cpu", threads}, jobs > 0 ? jobs : cores / threads);
}

// Slots over `count` GPUs from `first` on, in turn.
std::vector<run::Slot> cuda_slots(int first, int count, int jobs, int threads) {
  std::vector<run::Slot> out;
  for (int i = 0; i < (jobs > 0 ? jobs : count); ++i) {
    out.push_back({fmt::format("cuda:{}", first + i % count), threads});
  }
  return out;
}

}  // namespace

std::vector<run::Slot> choose_slots(const std::string& device, int jobs, int threads) {
  if (device == "cpu") return cpu_slots(jobs, threads);
  const bool any = device == "auto" || device == "cuda";
  int index = 0;
  if (!any) {
    const std::string head = "cuda:";
    const char* end = device.data() + device.size();
    const bool is_indexed =
        device.rfind(head, 0) == 0 &&
        std::from_chars(device.data() + head.size(), end, index).ptr == end && index >= 0 &&
        device.size() > head.size();
    if (!is_indexed) {
      throw ConfigError(
          fmt::format("--device '{}' is no device; expected auto, cpu, cuda or cuda:N", device));
    }
  }
  const int count = kernels::cuda_available() ? kernels::cuda_device_count() : 0;
  if (device == "auto" && count == 0) return cpu_slots(jobs, threads);
  if (count <= index) {
    throw EnvironmentError(fmt::format(
        "--device {}: {}; --device cpu runs on the processor", device,
        count == 0 ? "there is no CUDA device here, or bitsweep was built without CUDA"
                   : fmt::format("there are only {} CUDA devices", count)));
  }
  return any ? cuda_slots(0, count, jobs, threads) : cuda_slots(index, 1, jobs, threads);
}

}  // namespace bitsweep::cli
