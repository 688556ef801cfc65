// SPDX-License-Identifier: MIT
/// \file
/// Which tensors of the caller's gradients are wanted by in a pass.
#pragma once

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

namespace sluice::detail {

/// Addresses of tensors, and where the gradients by them are summed.
template <class Scalar>
class Gradients {
 public:
  void clear() noexcept { entries_.clear(); }
  void add(const Scalar* tensor, Scalar* gradient) { entries_.emplace_back(tensor, gradient); }
  /// To be called between `add` and `find`.
  void sort() { std::sort(entries_.begin(), entries_.end(), before); }

  /// Where the gradient by the tensor at that address is summed, or null.
  Scalar* find(const Scalar* tensor) const noexcept {
    const auto found =
        std::lower_bound(entries_.begin(), entries_.end(), Entry{tensor, nullptr}, before);
    return found == entries_.end() || found->first != tensor ? nullptr : found->second;
  }

 private:
  using Entry = std::pair<const Scalar*, Scalar*>;
  static bool before(const Entry& a, const Entry& b) noexcept {
    return std::less<>{}(a.first, b.first);
  }

  std::vector<Entry> entries_;
};

}  // namespace sluice::detail
