// SPDX-License-Identifier: MIT
#include "support/catch.hpp"

#include <sluice/core/random.hpp>
#include <sluice/core/tensor.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <random>
#include <type_traits>
#include <vector>

using namespace sluice;

namespace {

/// One number that changes when any bit of any of the numbers drawn does.
template <class Draw>
std::uint64_t fingerprint(int n, Draw&& draw) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (int i = 0; i < n; ++i) {
    using Number = decltype(draw());
    using Bits = std::conditional_t<sizeof(Number) == 4, std::uint32_t, std::uint64_t>;
    hash = (hash ^ std::bit_cast<Bits>(draw())) * 0x100000001b3u;
    hash ^= hash >> 29;
  }
  return hash;
}

struct Moments {
  double mean = 0, variance = 0, skewness = 0, kurtosis = 0;
};

Moments moments(const std::vector<double>& x) {
  Moments m;
  const double n = double(x.size());
  for (const double v : x) m.mean += v / n;
  for (const double v : x) {
    const double d = v - m.mean;
    m.variance += d * d / n;
    m.skewness += d * d * d / n;
    m.kurtosis += d * d * d * d / n;
  }
  m.skewness /= std::pow(m.variance, 1.5);
  m.kurtosis /= m.variance * m.variance;
  return m;
}

}  // namespace

TEST_CASE("philox gives the published numbers", "[core][random]") {
  // The known answers that Random123, the library of the paper's authors, is distributed with.
  using Block = Rng::Block;
  CHECK(Rng::philox({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint32_t ones = 0xffffffff;
  CHECK(Rng::philox({ones, ones, ones, ones}, {ones, ones}) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(Rng::philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});

  Rng rng(0);
  for (const std::uint32_t expected : Rng::Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8})
    CHECK(rng() == expected);
}

TEST_CASE("the same bits on every compiler and instruction set", "[core][random]") {
  Rng rng(1);
  CHECK(std::bit_cast<std::uint64_t>(rng.normal<double>()) == 0xbffcdf76cf675ff5);
  CHECK(std::bit_cast<std::uint64_t>(rng.normal<double>()) == 0xbff79c22ee67143b);
  CHECK(std::bit_cast<std::uint32_t>(rng.normal<float>()) == 0xbe31427e);
  CHECK(std::bit_cast<std::uint64_t>(rng.uniform<double>()) == 0x3fe83e79f4256bbd);
  CHECK(std::bit_cast<std::uint32_t>(rng.uniform<float>()) == 0x3e12d048);
  CHECK(rng.below(1000) == 960);
  CHECK(rng.split(3)() == 0x80a8b31f);

  CHECK(fingerprint(100000, [&] { return rng.normal<double>(); }) == 0x694413608e0706ea);
  CHECK(fingerprint(100000, [&] { return rng.normal<float>(); }) == 0x6f838d37e98da361);
  CHECK(fingerprint(100000, [&] { return rng.uniform<double>(); }) == 0x43dc3ec1d2073902);
  CHECK(fingerprint(100000, [&] { return rng.uniform<float>(); }) == 0x15afcae09f83665);

  Tensor<float, 2> x(10, 33);
  fill_uniform(x, rng, -0.3f, 0.7f);
  CHECK(fingerprint(330, [p = x.data()]() mutable { return *p++; }) == 0xf6a4d0f4b1a169b9);
  fill_normal(x, rng, 0.02f);
  CHECK(fingerprint(330, [p = x.data()]() mutable { return *p++; }) == 0x17257a43d766e627);
}

TEST_CASE("a normal number is what Box and Muller make of two uniform ones", "[core][random]") {
  Rng drawn(7), source(7);
  for (int i = 0; i < 100000; ++i) {
    const double u = 1 - source.uniform<double>(), v = source.uniform<double>();
    const double radius = std::sqrt(-2 * std::log(u));
    const double expected = radius * std::cos(2 * 3.14159265358979323846 * v);
    // Near a zero of the cosine the reference itself is off by an ulp of 2 pi v.
    REQUIRE(std::abs(drawn.normal<double>() - expected) <= 2e-15 * std::max(1.0, radius));
  }
}

TEST_CASE("moments", "[core][random]") {
  constexpr int n = 1000000;
  // Five standard errors each; the seed is fixed, so this either holds or does not.
  const double five = 5 / std::sqrt(double(n));
  Rng rng(42);
  std::vector<double> x(n);

  std::generate(x.begin(), x.end(), [&] { return rng.normal<double>(); });
  const Moments normal = moments(x);
  CHECK(std::abs(normal.mean) < five);
  CHECK(std::abs(normal.variance - 1) < five * std::sqrt(2));
  CHECK(std::abs(normal.skewness) < five * std::sqrt(6));
  CHECK(std::abs(normal.kurtosis - 3) < five * std::sqrt(24));

  std::generate(x.begin(), x.end(), [&] { return rng.uniform<float>(); });
  const Moments uniform = moments(x);
  CHECK(std::abs(uniform.mean - 0.5) < five * std::sqrt(1. / 12));
  CHECK(std::abs(uniform.variance - 1. / 12) < five * std::sqrt(1. / 180));
  CHECK(*std::min_element(x.begin(), x.end()) >= 0);
  CHECK(*std::max_element(x.begin(), x.end()) < 1);
}

TEST_CASE("below is uniform and in range", "[core][random]") {
  Rng rng(3);
  std::vector<int> count(7);
  for (int i = 0; i < 70000; ++i) ++count.at(rng.below(7));
  for (const int c : count) CHECK(std::abs(c - 10000) < 5 * std::sqrt(10000.));
  for (int i = 0; i < 10; ++i) CHECK(rng.below(1) == 0);
  const std::uint64_t more_than_half = (std::uint64_t{1} << 63) + 1;
  for (int i = 0; i < 100; ++i) CHECK(rng.below(more_than_half) < more_than_half);
  // Were the uneven rest not rejected, half of these would fall into the first third.
  const std::uint64_t third = std::uint64_t{1} << 62;
  int first = 0;
  for (int i = 0; i < 3000; ++i) first += rng.below(3 * third) < third;
  CHECK(std::abs(first - 1000) < 5 * std::sqrt(3000 * 2 / 9.));
}

TEST_CASE("streams and parts have nothing in common", "[core][random]") {
  const auto correlation = [](Rng a, Rng b) {
    double sum = 0;
    constexpr int n = 100000;
    for (int i = 0; i < n; ++i) sum += a.normal<double>() * b.normal<double>() / n;
    return std::abs(sum);
  };
  const double five = 5 / std::sqrt(100000.);
  const Rng base(9);
  CHECK(correlation(base, Rng(9, 1)) < five);
  CHECK(correlation(base, Rng(10)) < five);
  CHECK(correlation(base, base.split(0)) < five);
  CHECK(correlation(base.split(0), base.split(1)) < five);
  CHECK(correlation(base.split(0), base.split(0).split(0)) < five);

  Rng advanced = base;
  for (int i = 0; i < 5; ++i) advanced();
  CHECK(advanced.split(4)() == base.split(4)());  // a part does not depend on what was drawn
}

TEST_CASE("a blank generator fills with zeros", "[core][random]") {
  Tensor<float, 1> x(7);
  Rng blank = Rng::blank();
  x.setConstant(3);
  fill_uniform(x, blank, 1.f, 2.f);
  for (Index i = 0; i < 7; ++i) CHECK(x(i) == 0);
  x.setConstant(3);
  fill_normal(x, blank, 1.f);
  for (Index i = 0; i < 7; ++i) CHECK(x(i) == 0);
  CHECK_FALSE(Rng(0).is_blank());
  CHECK(blank.split(3).is_blank());
  CHECK_FALSE(Rng(0).split(3).is_blank());
}

TEST_CASE("filling writes no element more", "[core][random]") {
  std::vector<float> room(9, 5.f);
  Eigen::TensorMap<Tensor<float, 1>> part(room.data() + 1, 7);
  for (Rng rng : {Rng(1), Rng::blank()}) {
    fill_uniform(part, rng, 1.f, 2.f);
    fill_normal(part, rng, 1.f);
    CHECK((room[0] == 5 && room[8] == 5));
    CHECK(std::count(room.begin(), room.end(), 5.f) == 2);
  }
}

TEST_CASE("a generator for the standard library", "[core][random]") {
  STATIC_REQUIRE(std::uniform_random_bit_generator<Rng>);
  std::vector<int> x{1, 2, 3, 4, 5}, y = x;
  Rng rng(5);
  std::shuffle(x.begin(), x.end(), rng);
  CHECK(std::is_permutation(x.begin(), x.end(), y.begin()));
}
