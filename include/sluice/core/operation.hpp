// SPDX-License-Identifier: MIT
/// \file
/// The whole of an operation: a shape, a kernel and its adjoint.
#pragma once

#include <sluice/core/parameter.hpp>
#include <sluice/core/tape.hpp>
#include <sluice/core/tensor.hpp>

#include <array>
#include <cstddef>

namespace sluice {

/// A new variable made from `sources`, the first of which names the tape.
///
///     return operation(x.shape(), [=](auto y) { kernels::exp(x.value, y); },
///                      [=](auto y, auto dy) { kernels::add_product(dy, y, x.gradient); }, x);
///
/// \param shape     of the result.
/// \param forward   f(View<S, R> y) fills it.
/// \param backward  f(View<const S, R> y, View<const S, R> dy) adds to the gradients of the
///                  sources; kept until the way back, so it may hold variables and numbers but
///                  nothing that owns. Gradients without data are not wanted.
template <std::size_t R, class Forward, class Backward, class S, int R0, class... Rest>
Variable<S, int(R)> operation(const std::array<Index, R>& shape, const Forward& forward,
                              const Backward& backward, const Variable<S, R0>& first,
                              const Rest&... rest) {
  const auto y = first.tape->result(shape, first, rest...);
  forward(y.out);
  if (y.gradient)
    first.tape->on_backward([=] { backward(y.value, View<const S, int(R)>(y.gradient)); });
  return y;
}

/// The same for a recurrence, which reads a state and leaves it moved on.
///
/// Calls that follow each other through one state in one pass are connected: the gradient at the
/// state between them flows from the later to the earlier. A state that is changed by hand between
/// two calls begins anew.
///
/// \param state     a tensor; must outlive the pass.
/// \param forward   f(View<S, R> y, View<S, Q> state, bool keep) fills y and moves the state on;
///                  what it returns is handed to `backward` as `kept`. Only with `keep` is the way
///                  back walked.
/// \param backward  f(kept, View<const S, R> dy, View<S, Q> dstate) adds to the gradients of the
///                  sources and turns dstate, the gradient at the final state, into that at the
///                  initial one.
template <std::size_t R, int Q, class Forward, class Backward, class S, int R0, class... Rest>
Variable<S, int(R)> recurrent_operation(const std::array<Index, R>& shape, Tensor<S, Q>& state,
                                        const Forward& forward, const Backward& backward,
                                        const Variable<S, R0>& first, const Rest&... rest) {
  Tape<S>& tape = *first.tape;
  const View<S, Q> memory(state);
  const auto size = static_cast<std::size_t>(state.size());
  S* const before = tape.memory_gradient(memory.data(), size, false);
  const auto y = tape.result(shape, first, rest..., static_cast<const S*>(before));
  const bool keep = bool(y.gradient);
  const View<S, Q> dmemory(
      keep && !before ? tape.memory_gradient(memory.data(), size, true) : before, memory.shape());
  const auto kept = forward(y.out, memory, keep);
  if (!keep) return y;
  tape.remember(memory.data(), size, dmemory.data());
  tape.on_backward([=] { backward(kept, View<const S, int(R)>(y.gradient), dmemory); });
  return y;
}

/// Room in the arena of a tape that lives as long as the pass, uninitialised.
template <class S, std::size_t R>
View<S, int(R)> room(Tape<S>& tape, const std::array<Index, R>& shape) {
  return {tape.allocate(shape), shape};
}

}  // namespace sluice
