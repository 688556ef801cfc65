// SPDX-License-Identifier: MIT
/// \file
/// Root-mean-square normalisation with a learnt weight, plain and gated.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/core/tensor.hpp>
#include <sluice/ops/norm.hpp>

#include <tuple>

namespace sluice {

/// y = weight (.) x / sqrt(mean(x^2) + eps) over the last axis. The weight begins at 1.
template <class S>
struct RMSNorm {
  using Scalar = S;

  Tensor<S, 1> weight;  ///< [D]
  S eps;

  explicit RMSNorm(Index width, double eps_ = 1e-6) : weight(width), eps(S(eps_)) {
    weight.setConstant(S(1));
  }

  static constexpr auto fields() { return std::tuple{field("weight", &RMSNorm::weight)}; }

  /// x [.., D] -> [.., D].
  template <int Rank>
  Variable<S, Rank> operator()(const Variable<S, Rank>& x) const {
    return rms_norm(x, weight, eps);
  }
};

/// The same with an output gate, in one pass; see `gated_rms_norm`. The weight begins at 1.
template <class S>
struct GatedRMSNorm {
  using Scalar = S;

  Tensor<S, 1> weight;  ///< [D]
  GatedRMSNormOptions options;

  explicit GatedRMSNorm(Index width, const GatedRMSNormOptions& options_ = {})
      : weight(width), options(options_) {
    weight.setConstant(S(1));
  }

  static constexpr auto fields() { return std::tuple{field("weight", &GatedRMSNorm::weight)}; }

  /// Values x and gate logits z, both [.., D] -> [.., D].
  template <int Rank>
  Variable<S, Rank> operator()(const Variable<S, Rank>& x, const Variable<S, Rank>& z) const {
    return gated_rms_norm(x, z, weight, options);
  }
};

}  // namespace sluice
