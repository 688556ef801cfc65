// SPDX-License-Identifier: MIT
#include "support/allocation_count.hpp"
#include "support/catch.hpp"

#include "generate/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using generate::Sampler;
using generate::SamplerOptions;

namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

std::vector<float> random_logits(std::size_t size, std::uint64_t seed) {
  sluice::Rng rng(seed);
  std::vector<float> logits(size);
  for (float& x : logits) x = 3 * rng.normal<float>();
  return logits;
}

std::int64_t largest(const std::vector<float>& logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

/// How often each token is drawn.
std::vector<int> histogram(const std::vector<float>& logits, const SamplerOptions& options,
                           int draws) {
  Sampler sample(options, 7);
  std::vector<int> counts(logits.size());
  for (int i = 0; i < draws; ++i) ++counts[std::size_t(sample(logits))];
  return counts;
}

/// Pearson's statistic of draws against probabilities; a token of probability 0 must not occur.
double chi_square(const std::vector<int>& counts, const std::vector<double>& probabilities,
                  int draws) {
  double sum = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    CAPTURE(i);
    if (probabilities[i] == 0) {
      CHECK(counts[i] == 0);
      continue;
    }
    const double expected = probabilities[i] * draws;
    sum += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  return sum;
}

std::vector<float> logits_of(const std::vector<double>& probabilities, double temperature) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(float(temperature * std::log(p)) + 40);
  return logits;
}

/// Of four tied tokens the two with the lower ids are left, and come equally often.
void check_tied(const SamplerOptions& options) {
  const auto counts = histogram({1, 1, 1, 1}, options, 1000);
  CHECK(counts[0] > 400);
  CHECK(counts[1] > 400);
  CHECK(counts[0] + counts[1] == 1000);
}

const std::vector<double> five{0.1, 0.4, 0.05, 0.25, 0.2};
constexpr int draws = 40000;
// Exceeded by chance once in 10^4 with 4 degrees of freedom; the seed is fixed.
constexpr double bound = 23.5;

}  // namespace

TEST_CASE("without temperature the most probable token comes", "[examples][sampler]") {
  for (const std::size_t size : {1u, 2u, 97u, 5000u}) {
    const auto logits = random_logits(size, size);
    Sampler greedy({}, 1);
    CHECK(greedy(logits) == largest(logits));
  }
  const std::vector<float> tied{1, 5, 2, 5, 5, -infinity};
  CHECK(Sampler({}, 1)(tied) == 1);
}

TEST_CASE("the narrowest choices are that of the most probable token", "[examples][sampler]") {
  for (const SamplerOptions& o :
       {SamplerOptions{.temperature = 1, .top_k = 1}, SamplerOptions{.temperature = 1, .top_p = 0},
        SamplerOptions{.temperature = 1, .top_p = 1e-9}, SamplerOptions{.temperature = 1e-6},
        SamplerOptions{.temperature = 1e-300},
        SamplerOptions{.temperature = 3, .top_k = 40, .top_p = 1e-9}}) {
    Sampler sample(o, 3);
    CAPTURE(o.temperature, o.top_k, o.top_p);
    for (std::uint64_t seed = 0; seed < 50; ++seed) {
      const auto logits = random_logits(300, seed);
      CHECK(sample(logits) == largest(logits));
    }
    if (o.temperature < 1) continue;  // which leaves tied tokens tied
    const std::vector<float> tied{1, 5, 2, 5, 5};
    for (int i = 0; i < 50; ++i) CHECK(sample(tied) == 1);
  }
}

TEST_CASE("tokens are drawn as often as their probabilities say", "[examples][sampler]") {
  for (const double temperature : {0.5, 1.0, 2.0}) {
    const auto counts =
        histogram(logits_of(five, temperature), {.temperature = temperature}, draws);
    CHECK(chi_square(counts, five, draws) < bound);
  }
  // Twice the temperature is the square root of the probabilities.
  std::vector<double> flat;
  double sum = 0;
  for (const double p : five) sum += std::sqrt(p);
  for (const double p : five) flat.push_back(std::sqrt(p) / sum);
  CHECK(chi_square(histogram(logits_of(five, 1), {.temperature = 2}, draws), flat, draws) < bound);
}

TEST_CASE("top-k leaves the k most probable tokens", "[examples][sampler]") {
  const auto counts = histogram(logits_of(five, 1), {.temperature = 1, .top_k = 3}, draws);
  CHECK(chi_square(counts, {0, 0.4 / 0.85, 0, 0.25 / 0.85, 0.2 / 0.85}, draws) < bound);
  for (const std::int64_t all : {5, 6, 1000})
    CHECK(chi_square(histogram(logits_of(five, 1), {.temperature = 1, .top_k = all}, draws), five,
                     draws) < bound);
  check_tied({.temperature = 1, .top_k = 2});
}

TEST_CASE("top-p leaves the fewest tokens that reach it", "[examples][sampler]") {
  struct Case {
    double p;
    std::vector<double> left;
  };
  // In order: 0.4, 0.65, 0.85, 0.95, 1.
  for (const auto& [p, left] :
       {Case{0.39, {0, 1, 0, 0, 0}}, Case{0.41, {0, 0.4, 0, 0.25, 0}},
        Case{0.64, {0, 0.4, 0, 0.25, 0}}, Case{0.66, {0, 0.4, 0, 0.25, 0.2}},
        Case{0.94, {0.1, 0.4, 0, 0.25, 0.2}}, Case{0.96, five}}) {
    CAPTURE(p);
    double sum = 0;
    for (const double x : left) sum += x;
    std::vector<double> probabilities;
    for (const double x : left) probabilities.push_back(x / sum);
    const auto counts = histogram(logits_of(five, 1), {.temperature = 1, .top_p = p}, draws);
    CHECK(chi_square(counts, probabilities, draws) < bound);
  }
  check_tied({.temperature = 1, .top_p = 0.5});  // which two halves reach exactly
}

TEST_CASE("top-p counts among what top-k has left", "[examples][sampler]") {
  // Of the three most probable, 0.4 and 0.25 have 0.76 of the probability.
  const auto counts =
      histogram(logits_of(five, 1), {.temperature = 1, .top_k = 3, .top_p = 0.75}, draws);
  CHECK(chi_square(counts, {0, 0.4 / 0.65, 0, 0.25 / 0.65, 0}, draws) < bound);
}

TEST_CASE("same seed, same tokens", "[examples][sampler]") {
  const SamplerOptions o{.temperature = 1, .top_k = 50, .top_p = 0.9};
  const auto tokens = [&](std::uint64_t seed) {
    Sampler sample(o, seed);
    std::vector<std::int64_t> ids;
    for (std::uint64_t i = 0; i < 40; ++i) ids.push_back(sample(random_logits(200, i)));
    return ids;
  };
  CHECK(tokens(1) == tokens(1));
  CHECK(tokens(1) != tokens(2));
}

TEST_CASE("logits of any size are borne, and those that say nothing are refused",
          "[examples][sampler]") {
  Sampler sample({.temperature = 1}, 1);
  const std::vector<float> huge{-infinity, 3e38f, -3e38f, -infinity};
  for (int i = 0; i < 20; ++i) CHECK(sample(huge) == 1);
  const std::vector<float> masked{-infinity, 0, -infinity, 0, -infinity};
  for (int i = 0; i < 50; ++i) CHECK(masked[std::size_t(sample(masked))] == 0);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const auto& damaged :
       {std::vector<float>{0, nan, 1}, std::vector<float>{nan, 0, 1},
        std::vector<float>{0, infinity}, std::vector<float>{-infinity}, std::vector<float>{}}) {
    CHECK_THROWS_AS(sample(damaged), std::runtime_error);
    CHECK_THROWS_AS(Sampler({}, 1)(damaged), std::runtime_error);
  }
}

TEST_CASE("only the first draw allocates", "[examples][sampler]") {
  const auto logits = random_logits(1000, 1);
  Sampler sample({.temperature = 0.8, .top_k = 0, .top_p = 0.9}, 1);
  sample(logits);
  const long before = sluice::testing::allocations();
  for (int i = 0; i < 10; ++i) sample(logits);
  CHECK(sluice::testing::allocations() == before);
}
