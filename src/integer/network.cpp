#include "integer/network.h"

#include <algorithm>
#include <cstdlib>

namespace bitsweep::integer {

int Tensor::bits() const {
  const bool is_signed = low < 0;
  int bits = is_signed ? 1 : 0;
  // As many as hold the larger of high and −low − 1.
  for (std::int64_t rest = std::max<std::int64_t>(high, -(static_cast<std::int64_t>(low) + 1));
       rest > 0; rest >>= 1) {
    ++bits;
  }
  return std::max(bits, 1);
}

const std::string& step_name(const Step& step) {
  return std::visit([](const auto& s) -> const std::string& { return s.name; }, step);
}

namespace {

struct Kind {
  std::string_view operator()(const Layer& s) const { return s.linear ? "linear" : "convolution"; }
  std::string_view operator()(const Combination&) const { return "combination"; }
  std::string_view operator()(const MeanPool&) const { return "mean_pool"; }
  std::string_view operator()(const MaxPool&) const { return "max_pool"; }
  std::string_view operator()(const ShortcutPad&) const { return "shortcut"; }
  std::string_view operator()(const Classifier&) const { return "classifier"; }
};

struct Output {
  TensorId operator()(const Classifier&) const { return kNone; }
  TensorId operator()(const auto& s) const { return s.output; }
};

}  // namespace

std::string_view step_kind(const Step& step) { return std::visit(Kind(), step); }

TensorId output_of(const Step& step) { return std::visit(Output(), step); }

kernels::Requantizer Network::requantizer(TensorId output, int fraction_bits) const {
  const Tensor& tensor = this->tensor(output);
  return {fraction_bits, settings.rounding, tensor.low, tensor.high};
}

}  // namespace bitsweep::integer
