// SPDX-License-Identifier: MIT
/// \file
/// What every form does before its arithmetic: one head's rows of a block of tokens, copied into
/// contiguous scratch rows that are padded with zeros to whole vectors.
///
/// In place those rows lie kilobytes apart and would evict each other from the first-level cache.
#pragma once

#include <sluice/core/view.hpp>
#include <sluice/core/workspace.hpp>
#include <sluice/kernels/gla/types.hpp>
#include <sluice/simd/batch.hpp>
#include <sluice/simd/exp.hpp>
#include <sluice/simd/stream.hpp>

#include <algorithm>

namespace sluice::gla::detail {

/// Tokens [begin, begin + count) of one batch row and head.
struct Block {
  Index row, begin, count, head;
};

/// The states of a call, row by row in whole vectors: in place where V fills vectors, else in
/// scratch rows padded with zeros, which are copied in and out.
template <class Scalar>
class PaddedStates {
 public:
  PaddedStates(const View<Scalar, 4>& states, Index padded_width, Scratch& scratch)
      : states_(states), stride_(padded_width), ragged_(padded_width != states.dim(3)) {
    if (ragged_)
      padded_ = scratch.allocate<Scalar>(states.dim(0) * states.dim(1) * states.dim(2) * stride_);
  }

  /// [K, stride()].
  Scalar* at(Index n, Index h) const noexcept {
    if (!ragged_) return states_.row(n, h, 0);
    return padded_ + (n * states_.dim(1) + h) * states_.dim(2) * stride_;
  }
  Index stride() const noexcept { return stride_; }

  /// Fetches columns [from, to).
  void enter(Index n, Index h, Index from, Index to) const noexcept {
    if (!ragged_) return;
    const Index end = std::min(to, states_.dim(3));
    for (Index i = 0; i < states_.dim(2); ++i) {
      const Scalar* row = states_.row(n, h, i);
      Scalar* padded = at(n, h) + i * stride_;
      std::copy(row + from, row + end, padded + from);
      std::fill(padded + end, padded + to, Scalar{0});
    }
  }

  /// Puts columns [from, to) back.
  void leave(Index n, Index h, Index from, Index to) const noexcept {
    if (ragged_) copy(n, h, from, to, states_.row(n, h, 0));
  }

  /// Copies columns [from, to) to a state without padding.
  void copy(Index n, Index h, Index from, Index to, Scalar* target) const noexcept {
    const Index V = states_.dim(3);
    for (Index i = 0; i < states_.dim(2); ++i) {
      const Scalar* row = at(n, h) + i * stride_;
      std::copy(row + from, row + std::min(to, V), target + i * V + from);
    }
  }

 private:
  View<Scalar, 4> states_;
  Index stride_;
  bool ragged_;
  Scalar* padded_ = nullptr;
};

/// Copies a head's rows times `factor` to `to` [count, stride], zeros beyond the width of x.
template <class Arch, class Scalar>
void load_rows(const View<const Scalar, 4>& x, const Block& block, Scalar factor, Scalar* to,
               Index stride) noexcept {
  const Index width = x.dim(3);
  for (Index t = 0; t < block.count; ++t) {
    const Scalar* from = x.row(block.row, block.begin + t, block.head);
    Scalar* out = to + t * stride;
    simd::for_each_lane<Arch, Scalar>(width, [&]<class B>(std::type_identity<B>, Index i) {
      simd::store(out + i, simd::load<B>(from + i) * B(factor));
    });
    std::fill(out + width, out + stride, Scalar{0});
  }
}

/// Decays below this are exactly 0: e^-60 in float. Bare products of decays and states would
/// otherwise be subnormal, at some hundred cycles a vector, long before they matter to a sum.
template <class Scalar>
inline constexpr Scalar smallest_decay = sizeof(Scalar) == 4 ? Scalar(8.7e-27) : Scalar(1e-260);

/// exp(g), exactly 0 when too small to matter.
template <class B>
SLUICE_INLINE B decay_of(const B& g) noexcept {
  using Scalar = simd::ScalarOf<B>;
  const B decay = simd::exp_or_zero(g);
  return simd::select(decay < B(smallest_decay<Scalar>), B(Scalar{0}), decay);
}

/// Decays exp(g) of a head as `d` [count, stride], K of them a token and 1 beyond.
template <class Arch, class Scalar>
void load_decays(const Gate<const Scalar>& g, const Block& block, Index K, Scalar* d,
                 Index stride) noexcept {
  for (Index t = 0; t < block.count; ++t) {
    Scalar* out = d + t * stride;
    if (g.kind() == GateKind::vector) {
      const Scalar* from = g.row(block.row, block.begin + t, block.head);
      simd::for_each_lane<Arch, Scalar>(K, [&]<class B>(std::type_identity<B>, Index i) {
        simd::store(out + i, decay_of(simd::load<B>(from + i)));
      });
      std::fill(out + K, out + stride, Scalar{1});
    } else {
      const Scalar decay = g.kind() == GateKind::none
                               ? Scalar{1}
                               : decay_of(*g.row(block.row, block.begin + t, block.head));
      std::fill(out, out + stride, decay);
    }
  }
}

/// Whether the result `x` is so large that it has left the caches before anybody reads it.
template <class Scalar>
bool outgrows_cache(const View<Scalar, 4>& x) noexcept {
  constexpr Index hoped_for = Index{1} << 20;  // bytes: a second-level cache
  return x.size() * Index{sizeof(Scalar)} > hoped_for;
}

/// Adds or writes scratch rows [count, stride] to a head's rows of `x`. May stream: whoever hands
/// `x` to other threads calls `simd::finish_streaming` before.
template <class Arch, class Scalar>
void store_rows(const Scalar* from, Index stride, bool add, const Block& block,
                const View<Scalar, 4>& x) noexcept {
  using V = simd::Batch<Scalar, Arch>;
  Scalar* const first = x.row(block.row, block.begin, block.head);
  const bool streams =
      !add && outgrows_cache(x) && simd::streamable<V>(first, x.stride(1), x.dim(3));
  for (Index t = 0; t < block.count; ++t) {
    const Scalar* in = from + t * stride;
    Scalar* out = first + t * x.stride(1);
    if (streams)
      for (Index i = 0; i < x.dim(3); i += simd::lanes<V>)
        simd::stream(out + i, simd::load<V>(in + i));
    else
      simd::for_each_lane<Arch, Scalar>(x.dim(3), [&]<class B>(std::type_identity<B>, Index i) {
        const B value = simd::load<B>(in + i);
        simd::store(out + i, add ? B(simd::load<B>(out + i) + value) : value);
      });
  }
}

/// The weight of a token's own value in its output, for each token of a block:
///
///     m_t = scale * sum_i u_i q_ti k_ti        (u = 1 without a bonus)
template <class Arch, class Scalar>
void own_weights(const Inputs<Scalar>& in, const Block& block, const Block& shared, Scalar scale,
                 Scalar* m) noexcept {
  using B = simd::Batch<Scalar, Arch>;
  const Index K = in.q.dim(3);
  const Scalar* u = in.u ? in.u.row(block.head) : nullptr;
  for (Index t = 0; t < block.count; ++t) {
    const Scalar* q = in.q.row(block.row, block.begin + t, shared.head);
    const Scalar* k = in.k.row(block.row, block.begin + t, shared.head);
    B sum(Scalar{0});
    Scalar rest = 0;
    Index i = 0;
    for (; i + simd::lanes<B> <= K; i += simd::lanes<B>) {
      const B qk = simd::load<B>(q + i) * simd::load<B>(k + i);
      sum = u ? simd::madd(simd::load<B>(u + i), qk, sum) : B(sum + qk);
    }
    for (; i < K; ++i) rest += q[i] * k[i] * (u ? u[i] : Scalar{1});
    m[t] = scale * (simd::sum(sum) + rest);
  }
}

}  // namespace sluice::gla::detail
