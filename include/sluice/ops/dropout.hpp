// SPDX-License-Identifier: MIT
/// \file
/// Dropout whose mask is a function of a counter: the way back draws it again, nothing is stored.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/random.hpp>
#include <sluice/core/tape.hpp>

#include <cstdint>
#include <string>

namespace sluice {

namespace detail {

/// Calls `kept(i)` or `dropped(i)` for the next n elements of a mask. The threshold is out of 2^32.
template <class Kept, class Dropped>
void for_each_drawn(Rng& mask, std::uint64_t threshold, Index n, const Kept& kept,
                    const Dropped& dropped) {
  for (Index i = 0; i < n; ++i) {
    if (mask() >= threshold)
      kept(i);
    else
      dropped(i);
  }
}

}  // namespace detail

/// While recording, sets elements to 0 with the given probability and divides the others by
/// 1 - probability; otherwise the identity.
///
/// \param probability  in [0, 1).
/// \param rng          advanced by two draws while recording, whatever the size of x.
/// \throws ArgumentError  if the probability is out of range.
///
/// Source: Srivastava et al., Dropout, JMLR 2014, section 10 (the form scaled in training).
template <class Scalar, int Rank>
Variable<Scalar, Rank> dropout(const Variable<Scalar, Rank>& x, double probability, Rng& rng) {
  require(probability >= 0 && probability < 1, "dropout", "probability", "in [0, 1)",
          std::to_string(probability));
  if (!x.tape->recording() || probability == 0) return x;
  const std::uint64_t high = rng(), low = rng();
  const Rng mask = rng.split(high << 32 | low);
  const auto threshold = static_cast<std::uint64_t>(probability * 0x1p32);
  const Scalar scale = static_cast<Scalar>(1 / (1 - probability));
  const auto y = x.tape->result(x.shape(), x);
  const Index D = row_length(x.value);
  Rng draws = mask;
  for_each_row(
      [&](const Scalar* from, Scalar* to) {
        detail::for_each_drawn(
            draws, threshold, D, [=](Index i) { to[i] = from[i] * scale; },
            [=](Index i) { to[i] = 0; });
      },
      x.value, y.out);
  if (y.gradient)
    x.tape->on_backward([x, y, mask, threshold, scale, D] {
      Rng again = mask;
      for_each_row(
          [&](const Scalar* from, Scalar* to) {
            detail::for_each_drawn(
                again, threshold, D, [=](Index i) { to[i] += from[i] * scale; }, [](Index) {});
          },
          y.gradient, x.gradient);
    });
  return y;
}

}  // namespace sluice
