// torch.ao.quantization observers: running extremes and the grid after each batch.
#include "core/error.h"
#include "golden.h"
#include "kernels/min_max.h"
#include "kernels/range_math.h"
#include "quant/histogram_observer.h"

namespace bitsweep::golden {
namespace {

using kernels::AffineGrid;
using kernels::ChannelLayout;
using kernels::MinMax;

// The channels of one batch; one channel for a per-tensor observer. `batches` is [batch, …].
ChannelLayout batch_layout(const Case& golden, const Array& batches) {
  const std::vector<std::int64_t> shape(batches.shape.begin() + 1, batches.shape.end());
  std::int64_t size = 1;
  for (const std::int64_t extent : shape) size *= extent;
  if (!golden.has("ch_axis")) return kernels::whole_tensor(size);
  const auto axis = golden.get<std::size_t>("ch_axis");
  ChannelLayout layout{1, shape.at(axis), 1};
  for (std::size_t i = 0; i < axis; ++i) layout.outer *= shape[i];
  for (std::size_t i = axis + 1; i < shape.size(); ++i) layout.inner *= shape[i];
  return layout;
}

// torch: 128 for the default range of quint8, else the middle rounded down.
float middle_code(int qmin, int qmax) {
  if (qmin < 0) return 0.0f;
  return qmin == 0 && qmax == 255 ? 128.0f : static_cast<float>((qmin + qmax) / 2);
}

AffineGrid grid_of(const Case& golden, const MinMax& extremes) {
  const int qmin = golden.get<int>("quant_min"), qmax = golden.get<int>("quant_max");
  const auto scheme = golden.get<std::string>("qscheme");
  if (scheme.ends_with("symmetric"))
    return kernels::torch_symmetric_grid(extremes.min, extremes.max, qmin, qmax,
                                         middle_code(qmin, qmax));
  if (scheme.ends_with("affine"))
    return kernels::torch_affine_grid(extremes.min, extremes.max, qmin, qmax);
  throw DataError("unknown qscheme " + scheme);
}

// The state of an observer after a further batch: extremes so far, or their moving average.
MinMax updated(const Case& golden, const MinMax& state, const MinMax& batch) {
  if (!golden.has("averaging_constant")) return kernels::merge(state, batch);
  const float rate = golden.get<float>("averaging_constant");
  return {kernels::moving_average(state.min, batch.min, rate),
          kernels::moving_average(state.max, batch.max, rate), state.has_nan | batch.has_nan};
}

Json observe(const Case& golden) {
  const Array batches = golden.input("batches");
  const std::vector<float> values = batches.floats();
  const ChannelLayout layout = batch_layout(golden, batches);
  const auto channels = static_cast<std::size_t>(layout.channels);
  std::vector<MinMax> state, extremes(channels);
  Json after_batch = Json::array();
  for (std::int64_t batch = 0; batch < batches.shape[0]; ++batch) {
    kernels::min_max_cpu(values.data() + batch * layout.size(), layout, extremes.data());
    if (state.empty())
      state = extremes;
    else
      for (std::size_t c = 0; c < channels; ++c) state[c] = updated(golden, state[c], extremes[c]);

    std::vector<float> min, max, scale;
    std::vector<std::int32_t> zero_point;
    for (const MinMax& s : state) {
      const AffineGrid grid = grid_of(golden, s);
      min.push_back(s.min);
      max.push_back(s.max);
      scale.push_back(grid.scale);
      zero_point.push_back(static_cast<std::int32_t>(grid.zero_point));
    }
    const std::vector<std::int64_t> shape{layout.channels};
    after_batch.push_back({{"min_val", pack(min, shape)},
                           {"max_val", pack(max, shape)},
                           {"scale", pack(scale, shape)},
                           {"zero_point", pack(zero_point, shape)}});
  }
  return {{"after_batch", after_batch}};
}

Json observe_histogram(const Case& golden) {
  const Array batches = golden.input("batches");
  const std::vector<float> values = batches.floats();
  const std::size_t size = values.size() / static_cast<std::size_t>(batches.shape.at(0));
  const int codes = golden.get<int>("quant_max") - golden.get<int>("quant_min") + 1;
  quant::HistogramObserver observer(golden.get<std::size_t>("bins"), codes,
                                    golden.get<int>("upsample_rate"));
  Json after_batch = Json::array();
  for (std::size_t begin = 0; begin < values.size(); begin += size) {
    observer.observe(std::span(values).subspan(begin, size));
    const AffineGrid grid = grid_of(golden, observer.best_range());
    const MinMax extremes = observer.extremes();
    const std::vector<float> min{extremes.min}, max{extremes.max}, scale{grid.scale};
    const std::vector<std::int32_t> zero_point{static_cast<std::int32_t>(grid.zero_point)};
    after_batch.push_back({{"min_val", pack(min, {1})},
                           {"max_val", pack(max, {1})},
                           {"scale", pack(scale, {1})},
                           {"zero_point", pack(zero_point, {1})}});
  }
  const std::vector<float> histogram(observer.histogram().begin(), observer.histogram().end());
  return {{"after_batch", after_batch},
          {"final_histogram", pack(histogram, {static_cast<std::int64_t>(histogram.size())})}};
}

}  // namespace

void register_observers(Handlers& handlers) {
  handlers.add({"torch_observers",
                {"minmax", "minmax_positive", "ema", "perchannel", "ema_perchannel"},
                nullptr,
                observe});
  handlers.add({"torch_observers", {"histogram"}, nullptr, observe_histogram});
}

}  // namespace bitsweep::golden
