// SPDX-License-Identifier: MIT
/// \file
/// The contents of a state, kept in an arena.
#pragma once

#include <sluice/core/arena.hpp>
#include <sluice/core/fields.hpp>

#include <cstddef>
#include <cstring>
#include <string_view>
#include <type_traits>

namespace sluice::detail {

/// Bytes of one tensor.
template <class Tensor>
std::size_t bytes_of(const Tensor& x) noexcept {
  return sizeof(typename Tensor::Scalar) * static_cast<std::size_t>(x.size());
}

/// All tensors of a state as they were, one behind the other, and their sizes. Owns nothing.
class Snapshot {
 public:
  template <class State>
  Snapshot(Arena& arena, const State& state) {
    std::size_t bytes = 0;
    for_each_tensor([&](std::string_view, const auto& t) { bytes += bytes_of(t), ++count_; },
                    state);
    bytes_ = static_cast<std::byte*>(arena.allocate(bytes));
    sizes_ = static_cast<std::size_t*>(arena.allocate(sizeof(std::size_t) * count_));
    std::byte* to = bytes_;
    std::size_t* size = sizes_;
    for_each_tensor(
        [&](std::string_view, const auto& t) {
          *size = bytes_of(t);
          if (*size != 0) std::memcpy(to, t.data(), *size);
          to += *size++;
        },
        state);
  }

  /// Whether every tensor of the state is as large as it was.
  template <class State>
  bool fits(const State& state) const {
    std::size_t n = 0;
    bool same = true;
    for_each_tensor(
        [&](std::string_view, const auto& t) {
          same = same && n < count_ && bytes_of(t) == sizes_[n];
          ++n;
        },
        state);
    return same && n == count_;
  }

  /// Writes the contents back into a state that `fits`.
  template <class State>
  void put_back(State& state) const {
    const std::byte* from = bytes_;
    for_each_tensor(
        [&](std::string_view, auto& t) {
          if (bytes_of(t) != 0) std::memcpy(t.data(), from, bytes_of(t));
          from += bytes_of(t);
        },
        state);
  }

 private:
  std::byte* bytes_ = nullptr;
  std::size_t* sizes_ = nullptr;
  std::size_t count_ = 0;
};

}  // namespace sluice::detail
