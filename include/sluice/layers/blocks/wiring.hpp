// SPDX-License-Identifier: MIT
/// \file
/// What stands around a sublayer: where its norm is, and what the gate joins.
///
/// A wiring is called with the parts as functions of one variable, and the gate as one of two.
#pragma once

#include <sluice/core/fields.hpp>
#include <sluice/layers/layer.hpp>
#include <sluice/ops/activation.hpp>

#include <tuple>

namespace sluice {

/// Two norms, for a wiring that has one on either side of the sublayer.
template <class Before, class After = Before>
struct NormPair {
  Before before;
  After after;

  template <class... Conditions>
  static constexpr bool accepts =
      accepts_conditions<Before, Conditions...>() && accepts_conditions<After, Conditions...>();

  static constexpr auto fields() {
    return std::tuple{field("before", &NormPair::before), field("after", &NormPair::after)};
  }
};

/// gate(x, inner(norm(x))). Source: Xiong et al., ICML 2020 (arXiv:2002.04745).
struct Pre {
  static auto apply(const auto& x, const auto& norm, const auto& inner, const auto& gate) {
    return gate(x, inner(norm(x)));
  }
};

/// norm(gate(x, inner(x))). Source: Vaswani et al., NeurIPS 2017 (arXiv:1706.03762).
struct Post {
  static auto apply(const auto& x, const auto& norm, const auto& inner, const auto& gate) {
    return norm(gate(x, inner(x)));
  }
};

/// gate(x, norm(inner(x))). Source: Liu et al., Swin Transformer V2, CVPR 2022 (arXiv:2111.09883).
struct PostBranch {
  static auto apply(const auto& x, const auto& norm, const auto& inner, const auto& gate) {
    return gate(x, norm(inner(x)));
  }
};

/// gate(x, after(inner(before(x)))); its norm is a `NormPair`. Source: Ding et al., CogView,
/// NeurIPS 2021 (arXiv:2105.13290).
struct Sandwich {
  static auto apply(const auto& x, const auto& norm, const auto& inner, const auto& gate) {
    return gate(x, norm.after(inner(norm.before(x))));
  }
};

/// gate(x, relu(inner(norm(x)))): the way around carries no norm at all. Source: Parisotto et al.,
/// ICML 2020, section 3.1 (arXiv:1910.06764).
struct Reordered {
  static auto apply(const auto& x, const auto& norm, const auto& inner, const auto& gate) {
    return gate(x, relu(inner(norm(x))));
  }
};

}  // namespace sluice
