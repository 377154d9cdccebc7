#include "exec/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <torch/headeronly/version.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "kernels/cpu.h"
#include "kernels/device.h"

namespace bitsweep::exec {
namespace {

at::Device open_cuda(const std::string& name) {
  if (!kernels::cuda_available()) {
    throw EnvironmentError(fmt::format(
        "device '{}': {}", name,
        kernels::built_with_cuda() ? "there is no CUDA device or no driver for it on this machine"
                                   : "this bitsweep was built without CUDA (no nvcc was found)"));
  }
  if (::dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    throw EnvironmentError(
        fmt::format("device '{}': LibTorch's CUDA part cannot be loaded: {}", name, ::dlerror()));
  }
  const at::Device device(name);
  const int index = device.has_index() ? device.index() : 0;
  if (index < 0 || index >= kernels::cuda_device_count()) {
    throw EnvironmentError(
        fmt::format("device '{}': there are {} CUDA devices", name, kernels::cuda_device_count()));
  }
  at::globalContext().lazyInitDevice(at::kCUDA);
  return at::Device(at::kCUDA, static_cast<c10::DeviceIndex>(index));
}

}  // namespace

void set_threads(int threads) {
  at::init_num_threads();
  at::set_num_threads(threads);
}

at::Device open_device(const std::string& name) {
  if (name == "cpu") return at::Device(at::kCPU);
  if (name == "cuda" || (name.starts_with("cuda:") && name.size() > 5 && name.size() < 8 &&
                         name.find_first_not_of("0123456789", 5) == std::string::npos)) {
    return open_cuda(name);
  }
  throw ConfigError(fmt::format("device '{}': expected cpu, cuda or cuda:N", name));
}

bool has_bf16() {
#if defined(__x86_64__)
  return __builtin_cpu_supports("avx512bf16") != 0;
#else
  return false;
#endif
}

nlohmann::json fingerprint(at::Device device, config::Precision precision) {
  return {
      {"libtorch", TORCH_VERSION},
      {"device", device.is_cpu() ? "cpu" : kernels::cuda_device_name(device.index())},
      {"instruction_set", kernels::name(kernels::active_instruction_set())},
      {"convolution", at::get_cpu_capability()},
      {"precision", precision == config::Precision::bf16 ? "bf16" : "fp32"},
      {"threads", at::get_num_threads()},
      {"libc", std::string("glibc ") + ::gnu_get_libc_version()},
  };
}

}  // namespace bitsweep::exec
