// SPDX-License-Identifier: MIT
/// \file
/// Softmax over the last axis and its logarithm, as operations on variables.
#pragma once

#include <sluice/kernels/softmax/softmax.hpp>
#include <sluice/ops/copy.hpp>

namespace sluice {

/// exp(x) / sum(exp(x)) over the last axis, see `kernels::softmax`: elements of minus infinity give
/// exactly 0, and a row of nothing else gives zeros rather than NaN.
template <class S, int R>
requires(R > 0) Variable<S, R> softmax(const Variable<S, R>& source) {
  const auto x = with_rows(source);
  return operation(
      x.shape(),
      [&](const View<S, R>& y) { kernels::softmax(rows(x.value), rows(y), x.tape->workspace()); },
      [=](const View<const S, R>& y, const View<const S, R>& dy) {
        kernels::softmax_backward(rows(y), rows(dy), rows(x.gradient), x.tape->workspace());
      },
      x);
}

/// x - log(sum(exp(x))) over the last axis, see `kernels::log_softmax`.
template <class S, int R>
requires(R > 0) Variable<S, R> log_softmax(const Variable<S, R>& source) {
  const auto x = with_rows(source);
  return operation(
      x.shape(),
      [&](const View<S, R>& y) {
        kernels::log_softmax(rows(x.value), rows(y), x.tape->workspace());
      },
      [=](const View<const S, R>& y, const View<const S, R>& dy) {
        kernels::log_softmax_backward(rows(y), rows(dy), rows(x.gradient), x.tape->workspace());
      },
      x);
}

}  // namespace sluice
