#include "kernels/distillation_loss.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "cases.h"
#include "kernels/softmax_loss.h"

using namespace bitsweep::kernels;
using namespace bitsweep::kernels::testing;
using Catch::Matchers::WithinAbs;
using Catch::Matchers::WithinRel;

namespace {

double loss_of(const std::vector<float>& student, const std::vector<float>& teacher,
               std::int64_t rows, Distillation settings, std::vector<float>& grad) {
  return distillation_loss_cpu(student.data(), teacher.data(), rows,
                               static_cast<std::int64_t>(student.size()) / rows, settings,
                               grad.data());
}

}  // namespace

TEST_CASE("the distillation loss of a table made by hand", "[kernels][loss]") {
  const float log3 = std::log(3.0f);
  std::vector<float> grad = {kNan, kNan};
  // p = 1/4, 3/4 and q = 1/2, 1/2: Σ p·log(p/q) = log 2 + (log(1/4) + 3·log(3/4)) / 4.
  const double expected = std::log(2.0) + (std::log(0.25) + 3 * std::log(0.75)) / 4;
  CHECK_THAT(loss_of({0, 0}, {0, log3}, 1, {1, 1}, grad), WithinRel(expected, 1e-7));
  CHECK_THAT(grad[0], WithinAbs(0.25, 1e-7));
  CHECK_THAT(grad[1], WithinAbs(-0.25, 1e-7));
  // At temperature 2 the same p and q come from doubled logits; the loss is 4 times, the gradient
  // twice as large.
  CHECK_THAT(loss_of({5, 5}, {0, 2 * log3}, 1, {2, 1}, grad), WithinRel(4 * expected, 1e-7));
  CHECK_THAT(grad[0], WithinAbs(0.5, 1e-7));
}

TEST_CASE("equal logits have no distillation loss and no gradient, however large",
          "[kernels][loss]") {
  const std::vector<float> logits = {1000, -1000, 3, 0.5f, -7, 88};
  std::vector<float> grad(6, kNan);
  CHECK(loss_of(logits, logits, 2, {3, 1}, grad) == 0);
  CHECK(grad == std::vector<float>(6, 0.0f));
}

TEST_CASE("the distillation gradient is the slope of the mean loss", "[kernels][loss]") {
  const double temperature = GENERATE(0.5, 1.0, 4.0);
  const std::vector<float> teacher = {0.3f, -1.2f, 2.0f, 0.7f, 0.1f, -0.4f};
  std::vector<float> student = {1.0f, 0.5f, -0.25f, 0.125f, 2.0f, -1.5f};
  std::vector<float> grad(6, 0.0f), ignored(6, 0.0f);
  loss_of(student, teacher, 2, {temperature, 1}, grad);
  for (std::size_t i = 0; i < student.size(); ++i) {
    const float at = student[i], step = 0x1p-8f;
    student[i] = at + step;
    const double above = loss_of(student, teacher, 2, {temperature, 1}, ignored);
    student[i] = at - step;
    const double below = loss_of(student, teacher, 2, {temperature, 1}, ignored);
    student[i] = at;
    CHECK_THAT(grad[i], WithinAbs((above - below) / (2 * step) / 2, 1e-4));  // a mean of two rows
  }
}

TEST_CASE("a share of distillation leaves the rest to the gradient that is there",
          "[kernels][loss]") {
  const std::vector<float> student = {1, 0, -1}, teacher = {0, 2, 0};
  std::vector<float> whole(3, 0.0f), labels(3, 0.0f);
  LossSum sum{};
  const std::int32_t label = 2;
  softmax_loss_cpu(student.data(), &label, 1, 3, 0, labels.data(), &sum);
  loss_of(student, teacher, 1, {2, 1}, whole);
  std::vector<float> mixed = labels;
  loss_of(student, teacher, 1, {2, 0.25}, mixed);
  for (std::size_t i = 0; i < 3; ++i)
    CHECK_THAT(mixed[i], WithinAbs(0.75 * labels[i] + 0.25 * whole[i], 1e-7));
}

TEST_CASE("distillation shows logits that are not finite and refuses settings out of range",
          "[kernels][loss]") {
  std::vector<float> grad(2, 0.0f);
  CHECK_FALSE(std::isfinite(loss_of({0, kNan}, {0, 0}, 1, {1, 1}, grad)));
  CHECK_FALSE(std::isfinite(loss_of({0, 0}, {0, kNan}, 1, {1, 1}, grad)));
  CHECK_THROWS_AS(loss_of({0, 0}, {0, 0}, 1, {0, 1}, grad), std::invalid_argument);
  CHECK_THROWS_AS(loss_of({0, 0}, {0, 0}, 1, {1, 1.5}, grad), std::invalid_argument);
}
