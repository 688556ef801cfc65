// SPDX-License-Identifier: MIT
/// \file
/// Which calls of a recorded pass continue each other through a state.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

namespace sluice::detail {

/// The gradient by every state that a pass has written, and what the state held when it was last
/// written: a call that finds it so continues the one before, and their gradients meet; a call that
/// finds it changed begins anew.
template <class Scalar>
class Memories {
 public:
  struct Entry {
    const Scalar* state;
    std::size_t size;
    Scalar* gradient;
    const Scalar* content;

    bool unchanged() const noexcept {
      return size == 0 || std::memcmp(state, content, sizeof(Scalar) * size) == 0;
    }
  };

  /// The entry of the state at that address, or null.
  const Entry* find(const Scalar* state) const noexcept {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& e) { return e.state == state; });
    return found == entries_.end() ? nullptr : &*found;
  }

  void set(const Entry& entry) {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& e) { return e.state == entry.state; });
    if (found == entries_.end())
      entries_.push_back(entry);
    else
      *found = entry;
  }

  void erase(const Scalar* state) {
    std::erase_if(entries_, [&](const Entry& e) { return e.state == state; });
  }

  void clear() noexcept { entries_.clear(); }

  const std::vector<Entry>& entries() const noexcept { return entries_; }
  void restore(const Entry* first, std::size_t count) { entries_.assign(first, first + count); }

 private:
  std::vector<Entry> entries_;
};

}  // namespace sluice::detail
