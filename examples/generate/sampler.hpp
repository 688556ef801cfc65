// SPDX-License-Identifier: MIT
/// \file
/// Choosing the next token from its logits.
#pragma once

#include <sluice/core/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

namespace generate {

struct SamplerOptions {
  double temperature = 0;  ///< divides the logits; 0 takes the most probable token
  std::int64_t top_k = 0;  ///< draws from so many of the most probable; 0: from all
  double top_p = 1;        ///< draws from the fewest whose probabilities sum up to so much
};

/// Draws tokens. Temperature comes first, then top_k, then top_p among what top_k has left. Of
/// equally probable tokens the lower id counts as the more probable one.
class Sampler {
 public:
  Sampler(const SamplerOptions& options, std::uint64_t seed) : options_(options), rng_(seed) {}

  /// The id of a token. Allocates only when there are more logits than ever before.
  /// \param logits  at least one; a token of minus infinity is never drawn.
  /// \throws std::runtime_error  if no probabilities follow from them: one is not a number, or the
  ///     largest is infinite.
  std::int64_t operator()(std::span<const float> logits) {
    const std::size_t best = most_probable(logits);
    if (options_.temperature == 0) return std::int64_t(best);
    weigh(logits, double(logits[best]));
    return std::int64_t(draw(kept()));
  }

 private:
  static std::size_t most_probable(std::span<const float> logits) {
    std::size_t best = 0;
    bool is_number = true;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      is_number &= !std::isnan(logits[i]);
      if (logits[i] > logits[best]) best = i;
    }
    if (!is_number || logits.empty() || std::isinf(logits[best]))
      throw std::runtime_error("the model's logits are not finite (are its weights damaged?)");
    return best;
  }

  /// Probabilities but for their common factor; the largest weight is 1, so none overflows.
  void weigh(std::span<const float> logits, double largest) {
    weights_.resize(logits.size());
    order_.resize(logits.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    for (std::size_t i = 0; i < logits.size(); ++i)
      weights_[i] = std::exp((double(logits[i]) - largest) / options_.temperature);
  }

  double total(std::size_t from) const {
    double sum = 0;
    for (std::size_t i = from; i < order_.size(); ++i) sum += weights_[order_[i]];
    return sum;
  }

  /// Brings the tokens to draw from to the end of `order_`; the place where they begin.
  std::size_t kept() {
    const bool few = options_.top_k > 0 && std::uint64_t(options_.top_k) < order_.size();
    if (!few && options_.top_p >= 1) return 0;
    // A heap, since the tokens taken from it are few beside those left in it.
    const auto less = [this](std::size_t a, std::size_t b) {
      return weights_[a] != weights_[b] ? weights_[a] < weights_[b] : a > b;
    };
    std::make_heap(order_.begin(), order_.end(), less);
    std::size_t begin = order_.size();
    const auto take = [&] {
      std::pop_heap(order_.begin(), order_.begin() + std::ptrdiff_t(begin), less);
      return weights_[order_[--begin]];
    };
    if (!few) {
      const double enough = options_.top_p * total(0);
      for (double sum = take(); sum < enough && begin > 0;) sum += take();
      return begin;
    }
    for (std::int64_t i = 0; i < options_.top_k; ++i) take();
    const double enough = options_.top_p * total(begin);
    double sum = 0;
    for (std::size_t i = order_.size(); i-- > begin;)
      if ((sum += weights_[order_[i]]) >= enough) return i;
    return begin;
  }

  /// One of the tokens from there on, by their weights.
  std::size_t draw(std::size_t begin) {
    double left = rng_.uniform<double>() * total(begin);
    std::size_t last = order_[begin];
    for (std::size_t i = begin; i < order_.size(); ++i) {
      if (weights_[order_[i]] == 0) continue;
      last = order_[i];
      if ((left -= weights_[last]) < 0) break;
    }
    return last;  // rounding may leave a rest: it belongs to the last possible token
  }

  SamplerOptions options_;
  sluice::Rng rng_;
  std::vector<double> weights_;     ///< by id
  std::vector<std::size_t> order_;  ///< ids, in a heap
};

}  // namespace generate
