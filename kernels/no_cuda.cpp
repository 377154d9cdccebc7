// What the CUDA entry points are in a build without CUDA.
#include "kernels/device.h"
#include "kernels/error.h"
#include "kernels/fake_quantize.h"
#include "kernels/gradient_quantizer.h"
#include "kernels/histogram.h"
#include "kernels/learned_scale.h"
#include "kernels/fused_layer.h"
#include "kernels/min_max.h"
#include "kernels/optimizer.h"
#include "kernels/softmax_loss.h"
#include "kernels/weight_quantizer.h"

namespace bitsweep::kernels {
namespace {

[[noreturn]] void refuse() {
  throw CudaError("this bitsweep was built without CUDA (meson setup -Dcuda=enabled)");
}

}  // namespace

bool built_with_cuda() { return false; }
bool cuda_available() { return false; }
int cuda_device_count() { return 0; }
std::string cuda_device_name(int) { refuse(); }

void fake_quantize_cuda(const float*, float*, std::uint32_t*, const ChannelLayout&,
                        const AffineGrid*, Rounding, Stream) {
  refuse();
}
void fake_quantize_cuda(const float*, float*, std::uint32_t*, std::int64_t, const AffineGrid&,
                        Rounding, Stream) {
  refuse();
}
void fake_quantize_stochastic_cuda(const float*, float*, std::uint32_t*, const ChannelLayout&,
                                   const AffineGrid*, const RandomStream&, Stream) {
  refuse();
}
void quantize_cuda(const float*, std::int32_t*, const ChannelLayout&, const AffineGrid*, Rounding,
                   Stream) {
  refuse();
}
void min_max_cuda(const float*, const ChannelLayout&, MinMax*, Stream) { refuse(); }
void histogram_cuda(const float*, const ChannelLayout&, const HistogramBins*, std::int64_t,
                    std::uint32_t*, Stream) {
  refuse();
}
void sgd_step_cuda(float*, float*, const float*, std::int64_t, const SgdOptions&, const float*,
                   Stream) {
  refuse();
}
void adam_step_cuda(float*, float*, float*, const float*, std::int64_t, const AdamOptions&,
                    const float*, const std::int64_t*, Stream) {
  refuse();
}
void softmax_loss_cuda(const float*, const std::int32_t*, std::int64_t, std::int64_t, double,
                       float*, LossSum*, Stream) {
  refuse();
}
void quantize_weights_cuda(const float*, float*, double*, std::int64_t, const WeightQuantizer&,
                           WeightQuantizerState*, Stream) {
  refuse();
}
void quantize_weights_backward_cuda(const float*, const double*, const float*, float*, std::int64_t,
                                    const WeightQuantizer&, const WeightQuantizerState*, Stream) {
  refuse();
}
void weight_codes_cuda(const double*, std::int32_t*, std::int64_t, const WeightQuantizer&,
                       const WeightQuantizerState*, Stream) {
  refuse();
}
void learned_scale_backward_cuda(const float*, const float*, float*, const ChannelLayout&,
                                 const AffineGrid*, Rounding, double, double*, double*, Stream) {
  refuse();
}
void max_abs_grids_cuda(const float*, const ChannelLayout&, int, MaxAbs*, AffineGrid*, Stream) {
  refuse();
}
void max_abs_backward_cuda(const float*, const float*, float*, const ChannelLayout&, const MaxAbs*,
                           const AffineGrid*, Stream) {
  refuse();
}
void quantize_gradients_cuda(const float*, float*, const RandomStream&, const ChannelLayout&,
                             const MinMax*, const GradientQuantizer&, Stream) {
  refuse();
}

void norm_pivots_cuda(const FusedLayer&, const void*, float*, Stream) { refuse(); }
void norm_sums_cuda(const FusedLayer&, const void*, const float*, NormSums*, Stream) { refuse(); }
void fused_forward_cuda(const FusedLayer&, const void*, const NormAffine*, const void*, void*,
                        Stream) {
  refuse();
}
void fused_backward_sums_cuda(const FusedLayer&, const void*, const NormAffine*, const void*,
                              ArrivingGradient, GradientSums*, double*, void*, Stream) {
  refuse();
}
void norm_backward_cuda(const FusedLayer&, const void*, const NormAffine*, const NormGradient*,
                        const void*, ArrivingGradient, const void*, void*, Stream) {
  refuse();
}
void norm_finish_cuda(const FusedLayer&, const NormSums*, const float*, const NormParameters&,
                      const double*, NormAffine*, Stream) {
  refuse();
}
void norm_evaluate_cuda(std::int64_t, const NormParameters&, NormAffine*, Stream) { refuse(); }
void norm_gradient_finish_cuda(const FusedLayer&, const GradientSums*, const NormAffine*,
                               const float*, bool, float*, float*, NormGradient*, Stream) {
  refuse();
}
void alpha_gradient_cuda(const double*, std::int64_t, float*, Stream) { refuse(); }

}  // namespace bitsweep::kernels
