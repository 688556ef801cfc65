// SPDX-License-Identifier: MIT
/// \file
/// A learnt vector for every token of a vocabulary.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/ops/gather.hpp>

#include <cstdint>
#include <tuple>

namespace sluice {

/// y[b, t] = weight[ids[b, t]]. Begins normal with the given deviation.
template <class S>
struct Embedding {
  using Scalar = S;

  Tensor<S, 2> weight;  ///< [vocabulary, width]

  Embedding(Index vocabulary, Index width, Rng& rng, double deviation = 0.02)
      : weight(vocabulary, width) {
    fill_normal(weight, rng, S(deviation));
  }

  static constexpr auto fields() { return std::tuple{field("weight", &Embedding::weight)}; }

  /// ids [B, T] -> [B, T, width].
  /// \throws ArgumentError  naming the first id out of range and its place.
  Variable<S, 3> operator()(Tape<S>& tape, const View<const std::int64_t, 2>& ids) const {
    return gather(use(tape, weight), ids);
  }
};

}  // namespace sluice
