// SPDX-License-Identifier: MIT
/// \file
/// Random numbers that are the same on every platform, compiler and number of threads.
///
/// The generator is counter-based: number n of stream s of seed k is a pure function of (k, s, n).
/// Real numbers use only operations that IEEE 754 rounds correctly, with every fused
/// multiply-add spelled out, so that no compiler may contract them differently.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice {

/// Philox 4x32 with 10 rounds.
///
/// Source: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3, SC 2011.
class Rng {
 public:
  using result_type = std::uint32_t;

  explicit Rng(std::uint64_t seed, std::uint64_t stream = 0) noexcept
      : seed_(seed), stream_(stream) {}

  /// One by which tensors are filled with zeros at no cost, for a model that is read from a file.
  static Rng blank() noexcept {
    Rng rng(0);
    rng.blank_ = true;
    return rng;
  }
  bool is_blank() const noexcept { return blank_; }

  static constexpr result_type min() noexcept { return 0; }
  static constexpr result_type max() noexcept { return 0xffffffffu; }

  /// The next 32 random bits.
  result_type operator()() noexcept {
    if (used_ == 4) block_ = block(counter_++), used_ = 0;
    return block_[used_++];
  }

  /// Uniform in [0, 1), a multiple of 2^-24 (float) or 2^-53 (double).
  template <std::floating_point Scalar>
  Scalar uniform() noexcept {
    if constexpr (sizeof(Scalar) == 4) {
      return Scalar((*this)() >> 8) * Scalar(0x1p-24);
    } else {
      const std::uint64_t high = (*this)() >> 5, low = (*this)() >> 6;
      return Scalar(high << 26 | low) * Scalar(0x1p-53);
    }
  }

  /// Normal with mean 0 and standard deviation 1, by the method of Box and Muller in double.
  template <std::floating_point Scalar>
  Scalar normal() noexcept {
    const double u = 1 - uniform<double>(), v = uniform<double>();
    return static_cast<Scalar>(std::sqrt(-2 * log(u)) * cos_turns(v));
  }

  /// Uniform in {0, ..., n - 1}, n at least 1.
  std::uint64_t below(std::uint64_t n) noexcept {
    const std::uint64_t limit = n * (~std::uint64_t{0} / n);  // rejects the uneven rest
    for (;;) {
      const std::uint64_t bits = std::uint64_t{(*this)()} << 32 | (*this)();
      if (bits < limit) return bits % n;
    }
  }

  /// An independent generator for a part of the work, by number; blank if this one is.
  Rng split(std::uint64_t part) const noexcept {
    const auto mixed = Rng(seed_, stream_ ^ 0x9e3779b97f4a7c15u).block(part);
    Rng rng(seed_, std::uint64_t{mixed[0]} << 32 | mixed[1]);
    rng.blank_ = blank_;
    return rng;
  }

  using Block = std::array<std::uint32_t, 4>;

  /// The bijection of 128-bit blocks, chosen by the key, that all else rests on.
  static constexpr Block philox(Block x, std::array<std::uint32_t, 2> key) noexcept {
    for (int round = 0; round < 10; ++round) {
      const std::uint64_t a = std::uint64_t{0xD2511F53u} * x[0];
      const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * x[2];
      x = {std::uint32_t(b >> 32) ^ x[1] ^ key[0], std::uint32_t(b),
           std::uint32_t(a >> 32) ^ x[3] ^ key[1], std::uint32_t(a)};
      key[0] += 0x9E3779B9u;
      key[1] += 0xBB67AE85u;
    }
    return x;
  }

 private:
  Block block(std::uint64_t counter) const noexcept {
    return philox({std::uint32_t(counter), std::uint32_t(counter >> 32), std::uint32_t(stream_),
                   std::uint32_t(stream_ >> 32)},
                  {std::uint32_t(seed_), std::uint32_t(seed_ >> 32)});
  }

  /// Natural logarithm for u in (0, 1]: u = m 2^e, then 2 artanh((m - 1) / (m + 1)) as a series.
  static double log(double u) noexcept {
    int e = 0;
    double m = std::frexp(u, &e);
    if (m < 0.70710678118654752) m *= 2, --e;
    const double s = (m - 1) / (m + 1), z = s * s;
    double sum = 1.0 / 23;  // the next term is below 2^-60
    for (int k = 21; k >= 1; k -= 2) sum = std::fma(sum, z, 1.0 / k);
    return std::fma(double(e), 0.69314718055994531, 2 * s * sum);
  }

  /// cos(2 pi v) for v in [0, 1), by Taylor series on an eighth of a turn.
  static double cos_turns(double v) noexcept {
    const int eighth = int(v * 8);
    const int quarter = (eighth + 1) / 2;  // nearest multiple of a quarter turn
    const double x = (v - quarter * 0.25) * 6.283185307179586;
    const double z = x * x;
    const bool sine = quarter % 2 != 0;
    double sum = 0;
    for (int k = 10; k >= 0; --k) {
      const double n = 2 * k + (sine ? 1 : 0);
      sum = std::fma(sum, -z / ((n + 1) * (n + 2)), 1.0);
    }
    const double value = sine ? x * sum : sum;
    return quarter == 1 || quarter == 2 ? -value : value;
  }

  std::uint64_t seed_, stream_, counter_ = 0;
  Block block_{};
  std::size_t used_ = 4;
  bool blank_ = false;
};

/// Fills a tensor with uniform numbers in [low, high).
template <class Tensor>
void fill_uniform(Tensor& x, Rng& rng, typename Tensor::Scalar low, typename Tensor::Scalar high) {
  using Scalar = typename Tensor::Scalar;
  if (rng.is_blank()) return void(std::fill_n(x.data(), x.size(), Scalar{0}));
  for (std::ptrdiff_t i = 0; i < x.size(); ++i)
    x.data()[i] = std::fma(rng.uniform<Scalar>(), high - low, low);
}

/// Fills a tensor with normal numbers of mean 0.
template <class Tensor>
void fill_normal(Tensor& x, Rng& rng, typename Tensor::Scalar deviation) {
  using Scalar = typename Tensor::Scalar;
  if (rng.is_blank()) return void(std::fill_n(x.data(), x.size(), Scalar{0}));
  for (std::ptrdiff_t i = 0; i < x.size(); ++i) x.data()[i] = deviation * rng.normal<Scalar>();
}

}  // namespace sluice
