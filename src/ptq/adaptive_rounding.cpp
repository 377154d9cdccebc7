#include "ptq/adaptive_rounding.h"

#include <ATen/ops/bmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "core/check.h"
#include "kernels/philox_math.h"

namespace bitsweep::ptq {
namespace {

constexpr std::int64_t kBatch = 256;
constexpr float kZeta = 1.1f;
constexpr float kGamma = -0.1f;
constexpr double kLambda = 0.01;
constexpr double kWarmUp = 0.2;  // share of the steps
constexpr double kFirstBeta = 20;
constexpr double kLastBeta = 2;
constexpr double kLearningRate = 0.01;
constexpr double kMomentum = 0.9;
constexpr double kMomentum2 = 0.999;
constexpr double kEpsilon = 1e-8;

at::Tensor view(const std::vector<float>& values, at::IntArrayRef sizes) {
  return at::from_blob(const_cast<float*>(values.data()), sizes, at::TensorOptions(at::kFloat));
}

// A weight's grid and the code below it.
struct Cell {
  float scale = 0;
  float zero_point = 0;
  float origin = 0;
  float below = 0;  // code, not clamped
  float qmin = 0;
  float qmax = 0;

  float value(float up) const {
    return origin + (std::clamp(below + up, qmin, qmax) - zero_point) * scale;
  }
  // Whether the value moves with `up`.
  bool moves(float up) const { return below + up > qmin && below + up < qmax; }
};

class Adapter {
 public:
  Adapter(const RoundingProblem& problem, const RoundingSettings& settings)
      : problem_(problem),
        settings_(settings),
        n_(problem.weight.size()),
        rows_(problem.groups * problem.outputs),
        cells_(n_),
        variable_(n_),
        moment_(n_),
        moment2_(n_),
        soft_(n_) {
    BITSWEEP_CHECK(static_cast<std::int64_t>(n_) == rows_ * problem.inputs, "{} weights", n_);
    for (std::size_t i = 0; i < n_; ++i) place(i);
  }

  AdaptedRounding run() {
    const c10::InferenceMode inference;
    for (std::int64_t step = 0; step < settings_.steps; ++step) take_step(step);
    return choose();
  }

 private:
  const kernels::AffineGrid& grid_of(std::size_t i) const {
    const auto& grids = problem_.quantizer->grids;
    return grids[grids.size() == 1 ? 0 : i / static_cast<std::size_t>(problem_.inputs)];
  }

  // The cell of weight i, and V such that h(V) is its fraction: nothing has changed yet.
  void place(std::size_t i) {
    const kernels::AffineGrid& grid = grid_of(i);
    if (grid.scale <= 0 || grid.qmax <= grid.qmin) return;  // no codes to choose from
    const float steps = (problem_.weight[i] - grid.origin) / grid.scale;
    const float below = std::floor(steps);
    cells_[i] = {grid.scale,
                 grid.zero_point,
                 grid.origin,
                 below + grid.zero_point,
                 static_cast<float>(grid.qmin),
                 static_cast<float>(grid.qmax)};
    const double share = (steps - below - kGamma) / (kZeta - kGamma);
    variable_[i] = static_cast<float>(std::log(share / (1 - share)));
  }

  static float sigmoid(float v) { return 1.0f / (1.0f + std::exp(-v)); }
  static float rectified(float sigmoid) {
    return std::clamp(sigmoid * (kZeta - kGamma) + kGamma, 0.0f, 1.0f);
  }

  enum class Residual {
    value,
    gradient,  // 0 where f passes none back
  };

  // f(W̃x̂) − f(Wx) of `x` and `target` [groups, batch, …].
  at::Tensor residual(const at::Tensor& x, const at::Tensor& target,
                      const std::vector<float>& weight, Residual kind) const {
    at::Tensor out = at::bmm(
        x, view(weight, {problem_.groups, problem_.outputs, problem_.inputs}).transpose(1, 2));
    float* values = out.mutable_data_ptr<float>();
    const float* wanted = target.const_data_ptr<float>();
    const std::int64_t batch = x.size(1);
    for (std::int64_t g = 0; g < problem_.groups; ++g) {
      for (std::int64_t s = 0; s < batch; ++s) {
        for (std::int64_t o = 0; o < problem_.outputs; ++o, ++values, ++wanted) {
          const float bias = problem_.bias[static_cast<std::size_t>(g * problem_.outputs + o)];
          const float got = *values + bias;
          if (!problem_.relu) {
            *values = got - *wanted;
          } else if (kind == Residual::gradient && got <= 0) {
            *values = 0;
          } else {
            *values = std::max(got, 0.0f) - std::max(*wanted, 0.0f);
          }
        }
      }
    }
    return out;
  }

  at::Tensor rows_of(const std::vector<float>& values, std::int64_t width,
                     const std::vector<std::int64_t>& chosen) const {
    at::Tensor out = at::empty({problem_.groups, static_cast<std::int64_t>(chosen.size()), width},
                               at::TensorOptions(at::kFloat));
    float* to = out.mutable_data_ptr<float>();
    for (std::int64_t g = 0; g < problem_.groups; ++g) {
      for (const std::int64_t sample : chosen) {
        const float* from = values.data() + (g * problem_.samples + sample) * width;
        to = std::copy(from, from + width, to);
      }
    }
    return out;
  }

  void take_step(std::int64_t step) {
    const kernels::RandomStream random{settings_.seed, settings_.stream,
                                       static_cast<std::uint32_t>(step)};
    std::vector<std::int64_t> chosen;
    for (std::int64_t i = 0; i < std::min(kBatch, problem_.samples); ++i) {
      const std::uint64_t bits = kernels::random_bits(random, static_cast<std::uint64_t>(i));
      chosen.push_back(
          static_cast<std::int64_t>((bits * static_cast<std::uint64_t>(problem_.samples)) >> 32));
    }
    for (std::size_t i = 0; i < n_; ++i)
      soft_[i] = cells_[i].value(rectified(sigmoid(variable_[i])));
    const at::Tensor x = rows_of(problem_.x, problem_.inputs, chosen);
    const at::Tensor target = rows_of(problem_.target, problem_.outputs, chosen);
    const at::Tensor error = residual(x, target, soft_, Residual::gradient);
    const at::Tensor gradient = at::bmm(error.transpose(1, 2), x).contiguous();
    descend(step, gradient.const_data_ptr<float>(), 2.0 / static_cast<double>(chosen.size()));
  }

  // Adam on V, from the sum over the batch of ∂(½‖…‖²)/∂W̃.
  void descend(std::int64_t step, const float* gradient, double factor) {
    const double done = static_cast<double>(step) / static_cast<double>(settings_.steps);
    const bool regularised = done >= kWarmUp;
    const double beta = kFirstBeta + (kLastBeta - kFirstBeta) * (done - kWarmUp) / (1 - kWarmUp);
    const double t = static_cast<double>(step) + 1;
    const double correction = 1 - std::pow(kMomentum, t);
    const double correction2 = 1 - std::pow(kMomentum2, t);
    for (std::size_t i = 0; i < n_; ++i) {
      const float s = sigmoid(variable_[i]);
      const float h = rectified(s);
      double slope = 0;  // of the objective in V
      if (h > 0 && h < 1) {
        if (cells_[i].moves(h)) slope = factor * gradient[i] * cells_[i].scale;
        if (regularised) {
          const double centred = 2 * static_cast<double>(h) - 1;
          const double power = std::pow(std::abs(centred), beta - 1);
          slope -= kLambda * 2 * beta * power * (centred < 0 ? -1 : 1);
        }
        slope *= static_cast<double>(s) * (1 - static_cast<double>(s)) * (kZeta - kGamma);
      }
      moment_[i] = static_cast<float>(kMomentum * moment_[i] + (1 - kMomentum) * slope);
      moment2_[i] = static_cast<float>(kMomentum2 * moment2_[i] + (1 - kMomentum2) * slope * slope);
      variable_[i] -= static_cast<float>(kLearningRate * (moment_[i] / correction) /
                                         (std::sqrt(moment2_[i] / correction2) + kEpsilon));
    }
  }

  // Sum over all samples of the squared residual of each output channel.
  std::vector<double> channel_errors(const std::vector<float>& weight) const {
    std::vector<double> out(static_cast<std::size_t>(rows_));
    const at::Tensor error =
        residual(view(problem_.x, {problem_.groups, problem_.samples, problem_.inputs}),
                 view(problem_.target, {problem_.groups, problem_.samples, problem_.outputs}),
                 weight, Residual::value);
    const float* values = error.const_data_ptr<float>();
    for (std::int64_t g = 0; g < problem_.groups; ++g) {
      for (std::int64_t s = 0; s < problem_.samples; ++s) {
        for (std::int64_t o = 0; o < problem_.outputs; ++o, ++values) {
          out[static_cast<std::size_t>(g * problem_.outputs + o)] +=
              static_cast<double>(*values) * *values;
        }
      }
    }
    return out;
  }

  AdaptedRounding choose() const {
    std::vector<float> nearest = problem_.weight;
    problem_.quantizer->apply(nearest.data(), {1, rows_, problem_.inputs});
    std::vector<float> hard = nearest;
    for (std::size_t i = 0; i < n_; ++i) {
      if (cells_[i].scale > 0) {
        hard[i] = cells_[i].value(rectified(sigmoid(variable_[i])) >= 0.5f ? 1 : 0);
      }
    }
    const std::vector<double> before = channel_errors(nearest);
    const std::vector<double> after = channel_errors(hard);
    AdaptedRounding out{hard, 0, 0};
    const double samples = static_cast<double>(problem_.samples);
    for (std::size_t row = 0; row < before.size(); ++row) {
      out.nearest_error += before[row] / samples;
      out.adapted_error += std::min(before[row], after[row]) / samples;
      if (after[row] < before[row]) continue;
      const auto begin = static_cast<std::ptrdiff_t>(row) * problem_.inputs;
      std::copy_n(nearest.begin() + begin, problem_.inputs, out.values.begin() + begin);
    }
    return out;
  }

  const RoundingProblem& problem_;
  const RoundingSettings& settings_;
  std::size_t n_;
  std::int64_t rows_;
  std::vector<Cell> cells_;
  std::vector<float> variable_;  // V
  std::vector<float> moment_;
  std::vector<float> moment2_;
  std::vector<float> soft_;  // W̃ of this step
};

}  // namespace

AdaptedRounding adapt_rounding(const RoundingProblem& problem, const RoundingSettings& settings) {
  return Adapter(problem, settings).run();
}

}  // namespace bitsweep::ptq
