#include "kernels/softmax_loss.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>

#include "cases.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

struct Result {
  LossSum sum{-1, -1};
  std::vector<float> grad;
};

Result loss(const std::vector<float>& logits, const std::vector<std::int32_t>& labels,
            double smoothing = 0) {
  Result out{.grad = std::vector<float>(logits.size(), kNan)};
  const auto rows = static_cast<std::int64_t>(labels.size());
  softmax_loss_cpu(logits.data(), labels.data(), rows,
                   static_cast<std::int64_t>(logits.size()) / rows, smoothing, out.grad.data(),
                   &out.sum);
  return out;
}

}  // namespace

TEST_CASE("the loss of a table made by hand", "[kernels][loss]") {
  const float log3 = std::log(3.0f);
  // p = 1/4, 3/4.
  SECTION("no smoothing: -log p of the label") {
    const Result r = loss({0, log3}, {1});
    CHECK_THAT(r.sum.loss, WithinRel(std::log(4.0 / 3.0), 1e-7));
    CHECK(r.sum.correct == 1);
    CHECK_THAT(r.grad[0], WithinRel(0.25f, 1e-6f));
    CHECK_THAT(r.grad[1], WithinRel(-0.25f, 1e-6f));
  }
  SECTION("smoothing 0.5: targets 1/4 and 3/4 meet the softmax, the gradient is 0") {
    const Result r = loss({0, log3}, {1}, 0.5);
    CHECK_THAT(r.sum.loss, WithinRel(0.25 * std::log(4.0) + 0.75 * std::log(4.0 / 3.0), 1e-7));
    CHECK_THAT(r.grad[0], WithinAbs(0.0, 1e-7));
    CHECK_THAT(r.grad[1], WithinAbs(0.0, 1e-7));
  }
  SECTION("the gradient is of the mean over rows, the loss their sum") {
    const Result r = loss({0, log3, 0, 0}, {0, 1});
    CHECK_THAT(r.sum.loss, WithinRel(std::log(4.0) + std::log(2.0), 1e-7));
    CHECK_THAT(r.grad[0], WithinRel(-0.375f, 1e-6f));  // (1/4 − 1) / 2
    CHECK_THAT(r.grad[1], WithinRel(0.375f, 1e-6f));
    CHECK(r.grad[2] == 0.25f);
    CHECK(r.grad[3] == -0.25f);
  }
}

TEST_CASE("a row is right only where its first largest logit is the label's", "[kernels][loss]") {
  CHECK(loss({1, 2, 2}, {1}).sum.correct == 1);
  CHECK(loss({1, 2, 2}, {2}).sum.correct == 0);
  CHECK(loss({0, 0, 0, 5, 6, 7}, {0, 2}).sum.correct == 2);
}

TEST_CASE("huge logits neither overflow nor lose the loss", "[kernels][loss]") {
  const Result r = loss({3e38f, 0, -3e38f, 1000, 0, -1000}, {0, 1});
  CHECK_THAT(r.sum.loss, WithinRel(1000.0, 1e-12));
  CHECK(r.sum.correct == 1);
  for (const float g : r.grad) CHECK(std::isfinite(g));
}

TEST_CASE("a logit that is not finite, or a label that is no class, gives a loss that is not",
          "[kernels][loss]") {
  const double smoothing = GENERATE(0.0, 0.1);
  for (const float odd : {kNan, kInf, -kInf})
    for (std::size_t at = 0; at < 3; ++at) {
      std::vector<float> logits{1, 2, 3};
      logits[at] = odd;
      CAPTURE(odd, at);
      CHECK_FALSE(std::isfinite(loss(logits, {1}, smoothing).sum.loss));
    }
  CHECK_FALSE(std::isfinite(loss({1, 2, 3}, {-1}, smoothing).sum.loss));
  CHECK_FALSE(std::isfinite(loss({1, 2, 3}, {3}, smoothing).sum.loss));
}

TEST_CASE("the gradient is the slope of the mean loss", "[kernels][loss]") {
  const double smoothing = GENERATE(0.0, 0.1, 1.0);
  const std::int64_t rows = GENERATE(1, 3, 300);
  constexpr std::int64_t kClasses = 7;
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0.0f, 3.0f);
  std::vector<float> logits(static_cast<std::size_t>(rows * kClasses));
  for (float& v : logits) v = normal(random);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(rows));
  for (auto& label : labels) label = static_cast<std::int32_t>(random() % kClasses);
  const Result r = loss(logits, labels, smoothing);
  for (std::size_t i = 0; i < logits.size(); i += 5) {
    // Central differences; 2^-8 steps are exact in float32 up to rounding of the logit itself.
    std::vector<float> up = logits, down = logits;
    up[i] += 0x1p-8f;
    down[i] -= 0x1p-8f;
    const double slope =
        (loss(up, labels, smoothing).sum.loss - loss(down, labels, smoothing).sum.loss) /
        (static_cast<double>(up[i]) - static_cast<double>(down[i])) / static_cast<double>(rows);
    CHECK_THAT(r.grad[i], WithinAbs(slope, 1e-5 / static_cast<double>(rows)));
  }
  LossSum without_gradient{-1, -1};
  softmax_loss_cpu(logits.data(), labels.data(), rows, kClasses, smoothing, nullptr,
                   &without_gradient);
  CHECK(without_gradient.loss == r.sum.loss);
  CHECK(without_gradient.correct == r.sum.correct);
}

TEST_CASE("no rows have no loss", "[kernels][loss]") {
  LossSum sum{-1, -1};
  softmax_loss_cpu(nullptr, nullptr, 0, 10, 0.1, nullptr, &sum);
  CHECK(sum.loss == 0.0);
  CHECK(sum.correct == 0);
}
