// SPDX-License-Identifier: MIT
/// \file
/// Dropout whose mask is a function of a counter: the way back draws it again, nothing is stored.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/operation.hpp>
#include <sluice/core/random.hpp>

#include <cstdint>

namespace sluice {

namespace detail {

/// Numbers of the next mask of a pass; two draws, whatever the size of the mask.
inline Rng next_mask(Rng& draws) {
  const std::uint64_t high = draws(), low = draws();
  return draws.split(high << 32 | low);
}

/// y += factor x, or y = factor x, where the mask keeps an element, or with `by_sequence` a whole
/// part of the first axis; with `replace`, 0 elsewhere.
template <class S, int R>
void masked(Rng mask, double probability, bool by_sequence, bool replace, const View<const S, R>& x,
            const View<S, R>& y) {
  const auto threshold = static_cast<std::uint64_t>(probability * 0x1p32);
  const S factor = static_cast<S>(1 / (1 - probability));
  const Index n = row_length(x), B = R > 1 ? x.dim(0) : 1;
  const auto write = [=](bool keep, S from, S& to) {
    if (replace)
      to = keep ? from * factor : S(0);
    else if (keep)
      to += from * factor;
  };
  for (Index b = 0; b < B; ++b) {
    const bool whole = !by_sequence || mask() >= threshold;
    for_each_row(
        [&](const S* from, S* to) {
          for (Index i = 0; i < n; ++i)
            write(by_sequence ? whole : mask() >= threshold, from[i], to[i]);
        },
        R > 1 ? slice(x, 0, b, 1) : x, R > 1 ? slice(y, 0, b, 1) : y);
  }
}

template <class S, int R>
Variable<S, R> thinned(std::string_view where, const Variable<S, R>& x, double probability,
                       bool by_sequence) {
  require(probability >= 0 && probability < 1, where, "probability", "in [0, 1)", probability);
  if (!x.tape->training() || probability == 0) return x;
  const Rng mask = next_mask(x.tape->draws());
  return operation(
      x.shape(),
      [&](const View<S, R>& y) { masked(mask, probability, by_sequence, true, x.value, y); },
      [=](auto, const View<const S, R>& dy) {
        masked(mask, probability, by_sequence, false, dy, x.gradient);
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
  return detail::thinned("dropout", x, probability, false);
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
  return detail::thinned("drop_path", x, probability, true);
}

}  // namespace sluice
