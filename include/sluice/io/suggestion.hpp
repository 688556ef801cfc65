// SPDX-License-Identifier: MIT
/// \file
/// "Did you mean ...?"
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sluice::detail {

/// Insertions, deletions and replacements that turn one text into the other.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i + 1);
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i] != b[j] ? 1 : 0);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

/// Whether `tail` is the end of `whole` from a dot on: a lost or added prefix.
inline bool is_tail(std::string_view whole, std::string_view tail) noexcept {
  return whole.size() > tail.size() && whole.ends_with(tail) &&
         whole[whole.size() - tail.size() - 1] == '.';
}

/// The candidate most like `wanted`, or nothing if none is: first one that differs by a prefix of
/// its path, then one that a few edits away. Looks at a bounded number of short candidates, for
/// they may come from an untrusted file.
inline std::string_view nearest_name(std::string_view wanted,
                                     const std::vector<std::string_view>& candidates) {
  constexpr std::size_t most = 2000, longest = 200;
  if (wanted.empty() || wanted.size() > longest) return {};
  std::string_view best;
  std::size_t least = wanted.size() / 3 + 1;  // further away is not alike
  for (std::size_t i = 0; i < std::min(candidates.size(), most); ++i) {
    const std::string_view c = candidates[i];
    if (c.empty() || c.size() > longest) continue;
    if (is_tail(c, wanted) || is_tail(wanted, c)) return c;
    const std::size_t distance = edit_distance(wanted, c);
    if (distance < least) least = distance, best = c;
  }
  return best;
}

}  // namespace sluice::detail
