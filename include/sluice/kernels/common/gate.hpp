// SPDX-License-Identifier: MIT
/// \file
/// The forget gate of every family whose state is a matrix [K, V] a head.
#pragma once

#include <sluice/core/error.hpp>
#include <sluice/core/view.hpp>

#include <concepts>
#include <string_view>
#include <utility>

namespace sluice::common {

/// How the decay varies. The fewer its freedoms, the cheaper it is.
enum class GateKind {
  none,      ///< no decay: linear attention
  constant,  ///< one number a head: retention
  scalar,    ///< one number a head and token: simple GLA, Mamba-2
  vector     ///< one number a head, token and key channel: GLA, HGRN2, RWKV-6
};

/// A forget gate or its gradient: natural logarithms of decays, at most 0, minus infinity allowed.
/// Made from nothing, from [HV], from [B, T, HV] or from [B, T, HV, K]; the rank says the kind.
template <class T>
class Gate {
 public:
  Gate() = default;

  template <class X>
  requires(DenseTensor<X, T, 4> || std::convertible_to<X, View<T, 4>>) Gate(X&& x)
  noexcept : kind_(GateKind::vector), view_(std::forward<X>(x)) { drop_if_absent(); }
  template <class X>
  requires(DenseTensor<X, T, 3> || std::convertible_to<X, View<T, 3>>) Gate(X&& x)
  noexcept : kind_(GateKind::scalar) {
    const View<T, 3> v(x);
    view_ = {
        v.data(), {v.dim(0), v.dim(1), v.dim(2), 1}, {v.stride(0), v.stride(1), v.stride(2), 1}};
    drop_if_absent();
  }
  template <class X>
  requires(DenseTensor<X, T, 1> || std::convertible_to<X, View<T, 1>>) Gate(X&& x)
  noexcept : kind_(GateKind::constant) {
    const View<T, 1> v(x);
    view_ = {v.data(), {1, 1, v.dim(0), 1}, {0, 0, v.stride(0), 1}};
    drop_if_absent();
  }

  GateKind kind() const noexcept { return kind_; }
  /// The gate as [B, T, HV, K], [B, T, HV, 1] or [1, 1, HV, 1].
  const View<T, 4>& view() const noexcept { return view_; }
  T* row(Index b, Index t, Index h) const noexcept { return view_.row(b, t, h); }

 private:
  void drop_if_absent() noexcept {
    if (!view_ && view_.size() != 0) kind_ = GateKind::none;
  }

  GateKind kind_ = GateKind::none;
  View<T, 4> view_;
};

/// Throws ShapeError unless a gate is for HV heads of K channels: `shape` is [B, T, HV, K].
template <class T>
void require_gate(std::string_view where, const Gate<T>& g, const Shape<4>& shape) {
  const auto [B, T_, HV, K] = shape;
  switch (g.kind()) {
    case GateKind::none:
      return;
    case GateKind::constant:
      return require_shape(where, "g", g.view().shape(), {1, 1, HV, 1}, "to match the heads of v");
    case GateKind::scalar:
      return require_shape(where, "g", g.view().shape(), {B, T_, HV, 1}, "to match v");
    case GateKind::vector:
      return require_shape(where, "g", g.view().shape(), shape, "to match k and the heads of v");
  }
}

}  // namespace sluice::common
