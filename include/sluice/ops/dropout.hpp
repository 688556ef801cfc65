// SPDX-License-Identifier: MIT
/// \file
/// Dropout whose mask is a function of a counter: the way back draws it again, nothing is stored.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/operation.hpp>
#include <sluice/core/random.hpp>
#include <sluice/kernels/dropout/dropout.hpp>

#include <cstdint>
#include <string_view>

namespace sluice {

namespace detail {

/// Numbers of the next mask of a pass; two draws, whatever the size of the mask.
inline Rng next_mask(Rng& draws) {
  const std::uint64_t high = draws(), low = draws();
  return draws.split(high << 32 | low);
}

template <class S, int R>
Variable<S, R> thinned(std::string_view where, const Variable<S, R>& x, double probability,
                       kernels::DropoutUnit unit) {
  require(probability >= 0 && probability < 1, where, "probability", "in [0, 1)", probability);
  if (!x.tape->training() || probability == 0) return x;
  const Rng mask = next_mask(x.tape->draws());
  return operation(
      x.shape(),
      [&](const View<S, R>& y) { kernels::dropout(x.value, probability, mask, y, unit); },
      [=](auto, const View<const S, R>& dy) {
        kernels::dropout_backward(dy, probability, mask, x.gradient, unit);
      },
      x);
}

}  // namespace detail

/// In training, sets elements to 0 with the given probability and divides the others by
/// 1 - probability; otherwise the identity. The mask is drawn from the pass, see `Tape::train`.
///
/// \param probability  in [0, 1).
/// \throws ArgumentError  if the probability is out of range.
///
/// Source: Srivastava et al., Dropout, JMLR 2014, section 10 (the form scaled in training).
template <class S, int R>
Variable<S, R> dropout(const Variable<S, R>& x, double probability) {
  return detail::thinned("dropout", x, probability, kernels::DropoutUnit::element);
}

/// In training, sets whole parts of the first axis, the sequences of a batch, to 0 with the given
/// probability and divides the others by 1 - probability; otherwise the identity.
///
/// \param probability  in [0, 1).
/// \throws ArgumentError  if the probability is out of range.
///
/// Source: Huang et al., Deep Networks with Stochastic Depth, ECCV 2016 (arXiv:1603.09382), scaled
/// in training.
template <class S, int R>
requires(R > 1) Variable<S, R> drop_path(const Variable<S, R>& x, double probability) {
  return detail::thinned("drop_path", x, probability, kernels::DropoutUnit::sequence);
}

}  // namespace sluice
