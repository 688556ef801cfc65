// SPDX-License-Identifier: MIT
/// \file
/// Numbers of tokens or classes, checked before they are used as an index.
#pragma once

#include <sluice/core/each_row.hpp>
#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace sluice {

/// Throws `ArgumentError{"embedding: ids[1, 3] must be in [0, 50), got 77"}` at the first id out of
/// range. Ids whose `weights` entry is 0 are not looked at; weights without data are all 1.
template <int Rank, class Scalar = float>
void require_ids(std::string_view where, const View<const std::int64_t, Rank>& ids, Index bound,
                 const std::type_identity_t<View<const Scalar, Rank>>& weights = {}) {
  const Index length = row_length(ids);
  Index row = 0;
  for_each_row(
      [&](const std::int64_t* id, const Scalar* weight) {
        for (Index i = 0; i < length; ++i) {
          if ((id[i] >= 0 && id[i] < bound) || (weight != nullptr && weight[i] == 0)) continue;
          Shape<Rank> at;
          Index rest = row * length + i;
          for (std::size_t axis = Rank; axis-- > 0;) {
            at[axis] = rest % ids.shape()[axis];
            rest /= ids.shape()[axis];
          }
          throw ArgumentError(std::string(where) + ": ids" + to_string(at) + " must be in [0, " +
                              std::to_string(bound) + "), got " + std::to_string(id[i]));
        }
        ++row;
      },
      ids, weights);
}

}  // namespace sluice
